"""What watches a forward or a backward from inside, and tries out changes in it, to find the name of a mistake."""
