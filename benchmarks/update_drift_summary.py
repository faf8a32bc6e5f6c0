"""Summary."""
def document(folder): return {}
