package doctor

// Matches is exported for tests.
var Matches = matches
