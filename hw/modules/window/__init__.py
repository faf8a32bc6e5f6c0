"""The skeleton of modules with a sliding window: line memory, walker, operator, results."""
