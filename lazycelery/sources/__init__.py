"""The only room that touches the cluster's network."""
