"""Pictures of a computing graph, with values and gradients on every edge: what is drawn, apart from how."""
