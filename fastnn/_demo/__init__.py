"""The `fastnn demo` command."""
