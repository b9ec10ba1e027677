package main

import "github.com/vobox-reconcile/vobox-reconcile/config"

// trial loads a configuration as it would be with other content in place of files, by path; nil takes one away.
func (a *app) trial(path string, instead map[string][]byte) (*config.Config, error) {
	env := config.OSEnv()
	env.Getenv = a.getenv
	env.Instead = instead
	return config.Load(path, env)
}
