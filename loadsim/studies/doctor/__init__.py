"""What on this machine limits a load: checks, their result, their report."""
