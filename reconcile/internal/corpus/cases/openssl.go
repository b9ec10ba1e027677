package cases

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// OpenSSLVersion is "OpenSSL 3.0.19", or an error that wraps exec.ErrNotFound.
func OpenSSLVersion(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "openssl", "version").Output()
	if err != nil {
		return "", fmt.Errorf("asking openssl for its version: %w", err)
	}
	words := strings.Fields(string(out))
	if len(words) < 2 {
		return "", fmt.Errorf("openssl version says %q", out)
	}
	return strings.Join(words[:2], " "), nil
}

// AskOpenSSL gives OpenSSL's verdict on a case below dir, and what it said. The scratch directory is for two files named
// after the case.
func AskOpenSSL(ctx context.Context, dir, scratch string, c Case) (verdict, said string, err error) {
	data, err := os.ReadFile(filepath.Join(dir, c.File))
	if err != nil {
		return "", "", err
	}
	var leaf, rest bytes.Buffer
	n := 0
	for block, data := pem.Decode(data); block != nil; block, data = pem.Decode(data) {
		if block.Type != "CERTIFICATE" && block.Type != "X509 CERTIFICATE" {
			continue
		}
		to := &rest
		if n == c.Leaf {
			to = &leaf
		}
		if err := pem.Encode(to, &pem.Block{Type: "CERTIFICATE", Bytes: block.Bytes}); err != nil {
			return "", "", err
		}
		n++
	}
	args := append([]string{"verify", "-allow_proxy_certs", "-attime", fmt.Sprint(c.At.Unix()), "-no-CAfile", "-no-CAstore",
		"-CApath", filepath.Join(dir, c.Certificates)}, c.OpenSSL.Args...)
	leafFile := filepath.Join(scratch, c.Name+".leaf")
	if err := os.WriteFile(leafFile, leaf.Bytes(), 0o600); err != nil {
		return "", "", err
	}
	if rest.Len() > 0 {
		restFile := filepath.Join(scratch, c.Name+".rest")
		if err := os.WriteFile(restFile, rest.Bytes(), 0o600); err != nil {
			return "", "", err
		}
		args = append(args, "-untrusted", restFile)
	}
	out, err := exec.CommandContext(ctx, "openssl", append(args, leafFile)...).CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return Accept, string(out), nil
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		return Refuse, string(out), nil
	}
	return "", string(out), fmt.Errorf("asking openssl: %w", err)
}
