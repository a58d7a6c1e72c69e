"""What is on disk against what the store knows. The disk is the truth; events are only hints."""
