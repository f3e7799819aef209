"""What action.yml runs before `bump` itself: its libraries, and a start that nothing but this action's own files takes part in."""
