"""A StateGraph as immutable data, and back."""
