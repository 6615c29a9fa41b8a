"""Graph → groups: which nodes one kernel computes, what it stores, what is updated in place."""
