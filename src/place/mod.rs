//! Where a row is: coordinate systems, cells, areas by exact point in polygon.
