"""What can stand on the screen, one panel a file: each takes the scene and a size, and gives lines."""
