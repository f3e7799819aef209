"""What the commands that write want done: a job each, carried out by `app.run`."""
