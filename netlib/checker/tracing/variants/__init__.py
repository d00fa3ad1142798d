"""What an operation of forward could be taken for, by a backward that is right but for that."""
