package doctor

// onlineChecks talk to the servers that the configuration names.
func onlineChecks() []Check { return nil }
