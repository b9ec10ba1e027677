package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/vobox-reconcile/vobox-reconcile/config"
)

// trial loads a configuration as it would be: with main in place of the file at path, unless main is nil, and with changes to
// the files of conf.d by name, nil taking one away. Faults name the files as if they were in place.
func (a *app) trial(path string, main []byte, changes map[string][]byte) (*config.Config, error) {
	dir, err := os.MkdirTemp("", "vobox-reconcile-")
	if err != nil {
		return nil, fmt.Errorf("trying the configuration: %w", err)
	}
	defer os.RemoveAll(dir)
	files, err := trialFiles(path, main, changes)
	if err != nil {
		return nil, fmt.Errorf("trying the configuration: %w", err)
	}
	for name, data := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return nil, fmt.Errorf("trying the configuration: %w", err)
		}
		if err := os.WriteFile(file, data, 0o600); err != nil {
			return nil, fmt.Errorf("trying the configuration: %w", err)
		}
	}
	env := config.OSEnv()
	env.Getenv = a.getenv
	cfg, err := config.Load(filepath.Join(dir, filepath.Base(path)), env)
	var faults config.Errors
	if errors.As(err, &faults) {
		in := strings.NewReplacer(dir+"/", filepath.Dir(path)+"/")
		for k := range faults {
			f := &faults[k]
			f.File, f.Problem, f.Instead = in.Replace(f.File), in.Replace(f.Problem), in.Replace(f.Instead)
		}
		return nil, faults
	}
	return cfg, err
}

// trialFiles are the files of a configuration, by name relative to its directory.
func trialFiles(path string, main []byte, changes map[string][]byte) (files map[string][]byte, err error) {
	if main == nil {
		if main, err = os.ReadFile(path); err != nil {
			return nil, err
		}
	}
	files = map[string][]byte{filepath.Base(path): main}
	confd := filepath.Join(filepath.Dir(path), "conf.d")
	there, err := os.ReadDir(confd)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range there {
		if filepath.Ext(e.Name()) != ".yaml" || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		data, err := os.ReadFile(filepath.Join(confd, e.Name()))
		if err != nil {
			return nil, err
		}
		files[filepath.Join("conf.d", e.Name())] = data
	}
	for name, data := range changes {
		if data == nil {
			delete(files, filepath.Join("conf.d", name))
		} else {
			files[filepath.Join("conf.d", name)] = data
		}
	}
	return files, nil
}
