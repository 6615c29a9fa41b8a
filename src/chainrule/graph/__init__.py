"""What is computed: types, nodes and graphs; walking, verifying, printing and rewriting them."""
