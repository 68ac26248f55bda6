"""RabbitMQ over AMQP 0-9-1 with pika, and its management API where it answers."""
