"""What paints: widgets over the Line API that send only the lines that changed."""
