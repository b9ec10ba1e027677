package myproxy

import (
	"context"
	"errors"
	"fmt"
)

// Info lists the credentials stored under username that belong to the TLS
// identity (COMMAND=2), the unnamed one first. None is an error, "MP-NOCRED",
// in the same words whether nothing is there or it is another's.
//
// The longest lifetime that the server hands out (myproxy-init -t) is in no
// answer of the protocol.
func (c *Client) Info(ctx context.Context, username, credName string) ([]Stored, error) {
	r, err := c.simple(ctx, Request{
		Command: CommandInfo, Username: username, CredName: credName, Passphrase: []byte(dummyPassphrase),
	})
	if err != nil {
		return nil, err
	}
	return r.Stored, nil
}

// Destroy removes a stored credential (COMMAND=3). Only its owner may.
func (c *Client) Destroy(ctx context.Context, username, credName string) error {
	_, err := c.simple(ctx, Request{
		Command: CommandDestroy, Username: username, CredName: credName, Passphrase: []byte(dummyPassphrase),
	})
	return err
}

// ChangePassphrase changes a stored credential's passphrase (COMMAND=4). Only
// its owner may, and only with the old one.
func (c *Client) ChangePassphrase(ctx context.Context, username, credName string, old, new []byte) error {
	_, err := c.simple(ctx, Request{
		Command: CommandChangePassphrase, Username: username, CredName: credName, Passphrase: old, NewPassphrase: new,
	})
	return err
}

// simple is an exchange of one request and one answer.
func (c *Client) simple(ctx context.Context, r Request) (_ *Response, err error) {
	x, err := c.newExchange(r)
	if err != nil {
		return nil, err
	}
	defer func() { x.close(err) }()
	if n := len(r.NewPassphrase); r.Command == CommandChangePassphrase && n < minPassphrase {
		return nil, x.misused(fmt.Errorf("the new passphrase has fewer than %d characters, the least that a MyProxy server takes", minPassphrase))
	}
	if err := x.open(ctx); err != nil {
		return nil, err
	}
	answer, err := x.receive()
	if err != nil {
		return nil, err
	}
	if answer.Type != ResponseOK {
		return nil, x.garbled(errors.New("a challenge came where none belongs"))
	}
	for _, s := range answer.Stored {
		if s.Start.IsZero() || s.End.IsZero() {
			return nil, x.garbled(fmt.Errorf("the credential %q has no times", s.Name))
		}
	}
	return answer, nil
}
