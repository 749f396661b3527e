"""What both sides run: nothing, with an argument and a result of 45 bytes of JSON."""

PAYLOAD = {"name": "benchmark", "numbers": [1, 2, 3, 4, 5]}


def noop(value):
    """Give the argument back."""
    return value
