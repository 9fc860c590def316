// Stands in for a floor that has no source file of its own.
