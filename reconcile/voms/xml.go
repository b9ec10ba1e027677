package voms

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// askXML does one exchange of the older protocol: one document each way, in TLS, with no length.
//
// The C++ client sends a record "0" first, the GSI flag. vomsd does not need it, and fails when it comes in one record
// with the document; so it is left out.
func askXML(ctx context.Context, d *dialer, q query) (*Response, error) {
	conn, err := d.dial(ctx)
	if err != nil {
		return nil, failure(ctx, d.server, XML, err)
	}
	defer conn.Close()
	// A deadline in the past is what wakes a blocked read when the time is over.
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	if _, err := conn.Write(q.document()); err != nil {
		return nil, failure(ctx, d.server, XML, err)
	}
	body, readErr := readDocument(conn)
	if len(body) > maxBody {
		return nil, notVOMS(d.server, XML, "", fmt.Errorf("more than %d octets", maxBody))
	}
	a, err := parseAnswer(body)
	if err == nil {
		return a.response(d.server, XML)
	}
	if readErr != nil && (len(body) == 0 || !errors.Is(readErr, io.ErrUnexpectedEOF)) {
		return nil, failure(ctx, d.server, XML, readErr)
	}
	if len(body) == 0 {
		return nil, failure(ctx, d.server, XML, io.EOF)
	}
	return nil, notVOMS(d.server, XML, fmt.Sprintf("%d octets", len(body)), err)
}

// readDocument reads until the document's root is closed, the connection ends, or more than maxBody has come.
func readDocument(r io.Reader) ([]byte, error) {
	var body []byte
	buf := make([]byte, 16<<10)
	for len(body) <= maxBody {
		n, err := r.Read(buf)
		// The end tag may lie across two records.
		tail := max(0, len(body)-len("</vomsans>"))
		body = append(body, buf[:n]...)
		if bytes.Contains(body[tail:], []byte("</vomsans>")) {
			return body, nil
		}
		if err == io.EOF {
			return body, nil
		}
		if err != nil {
			return body, err
		}
	}
	return body, nil
}
