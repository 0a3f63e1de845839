"""What a traced function is made of."""


def nodes(concrete):
    """Returns the nodes of a concrete function and of all functions that it calls."""
    graph = concrete.graph.as_graph_def()
    return [*graph.node, *(node for one in graph.library.function for node in one.node_def)]


def operations(concrete):
    """Returns the names of the operations among them."""
    return {node.op for node in nodes(concrete)}
