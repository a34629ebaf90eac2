"""One module per stage: what it makes on true inputs and in the chain, and how that is measured."""
