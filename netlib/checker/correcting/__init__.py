"""The line to write instead: edits of the source of backward, tried one by one."""
