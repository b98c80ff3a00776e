"""Guards: values that early work relied on, taken down with their content when it starts and compared in its turn."""
