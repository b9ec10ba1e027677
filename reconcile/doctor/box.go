package doctor

// boxChecks look at what can be seen without asking anybody.
func boxChecks() []Check { return nil }
