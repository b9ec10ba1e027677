package gridtest

import (
	"bufio"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// legacyAgent is how the C++ client calls itself. IAM answers its errors in the XML protocol's form.
const legacyAgent = "voms APIs 2.0"

// rest answers GET /generate-ac.
func (c *vomsSession) rest(text string) {
	c.log.Protocol = "REST"
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		c.http(http.StatusBadRequest, "")
		return
	}
	c.log.Query, c.log.UserAgent = r.URL.RawQuery, r.UserAgent()
	if r.URL.Path != "/generate-ac" {
		c.http(http.StatusNotFound, "")
		return
	}
	w, status, no := c.query(r.URL.RawQuery)
	if status == 0 {
		return // vomsd's child crashed
	}
	if vo, ok := c.s.vo(w.vo); ok && vo.NoREST {
		return
	}
	if no == nil && status == http.StatusOK {
		var g *grant
		if g, no = c.answer(w); no == nil {
			c.grantREST(g)
			return
		}
	}
	c.refuseREST(status, no)
}

func (c *vomsSession) grantREST(g *grant) {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><voms><ac>` + wrap64(g.ac) + "</ac>")
	status := http.StatusOK
	for _, n := range g.warnings {
		b.WriteString("<warning>" + escapeXML(n.text) + "</warning>")
		if c.s.o.Style == VOMSD {
			status = http.StatusInternalServerError
			break // it stops after the first
		}
	}
	c.http(status, b.String()+"</voms>")
}

func (c *vomsSession) refuseREST(status int, no *notice) {
	if no == nil {
		c.http(status, "")
		return
	}
	code := no.word
	if c.s.o.Style == IAM {
		code = strconv.Itoa(no.number)
		if c.log.UserAgent == legacyAgent {
			c.log.Code = code
			c.http(http.StatusOK, legacyError(no))
			return
		}
	}
	c.log.Code = code
	switch {
	case status != http.StatusOK:
	case c.s.o.Style == IAM:
	case no.word == noUser.word, no.word == suspended.word:
		status = http.StatusForbidden
	case no.word == "InternalError":
		status = http.StatusInternalServerError
	default:
		status = http.StatusBadRequest
	}
	c.http(status, `<?xml version="1.0" encoding="UTF-8"?><voms><error><code>`+escapeXML(code)+"</code><message>"+escapeXML(no.text)+"</message></error></voms>")
}

// query reads the parameters. A status of 0 means that the connection just ends.
func (c *vomsSession) query(raw string) (w want, status int, no *notice) {
	iam := c.s.o.Style == IAM
	if iam {
		w.lifetime = -1
	}
	for _, param := range strings.Split(raw, "&") {
		if raw == "" {
			break
		}
		name, value, ok := strings.Cut(param, "=")
		if !ok {
			return w, http.StatusNotFound, nil
		}
		if iam {
			v, err := url.QueryUnescape(value)
			if err != nil {
				return w, http.StatusBadRequest, nil
			}
			value = v
		}
		switch {
		case name == "fqans" && iam && len(value) > 512:
			return w, http.StatusOK, badRequest.says("fqans: size must be between 0 and 512")
		case name == "fqans" && strings.Contains(value, "/Capability=") && !iam:
			return w, 0, nil
		case name == "fqans":
			w.askFor(value)
		case name == "lifetime":
			n, err := strconv.Atoi(value)
			switch {
			case iam && value != "" && (err != nil || n <= 0):
				return w, http.StatusOK, badRequest.says("lifetime: must be a positive integer")
			case iam && value == "":
			case !iam && n < 0:
				w.lifetime = 0
			default:
				w.lifetime = time.Duration(n) * time.Second
			}
		case name == "order" && !iam:
			w.order = strings.Split(value, ",")
		case name == "targets":
			w.targets = strings.Split(value, ",")
		default:
			w.warnings = append(w.warnings, notice{4, "", c.s.Addr() + ": Unknown parameters in the request were ignored!"})
		}
	}
	return w, http.StatusOK, nil
}

// askFor takes a comma-separated list of FQANs. Nothing is decoded, and Role=NULL is a role like any other.
func (w *want) askFor(list string) {
	for f := range strings.SplitSeq(list, ",") {
		switch {
		case f == "all":
			w.all = true
		case f != "":
			w.fqans = append(w.fqans, f)
			if w.vo == "" {
				w.vo = voOf(f)
			}
		}
	}
}

// voOf is the VO of an FQAN; empty when it is none.
func voOf(fqan string) string {
	rest, ok := strings.CutPrefix(fqan, "/")
	if !ok {
		return ""
	}
	vo, _, _ := strings.Cut(rest, "/")
	return vo
}

// http writes a response the way the server of this style does, and ends the connection.
func (c *vomsSession) http(status int, body string) {
	head := fmt.Sprintf("HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
	if c.s.o.Style == IAM {
		head += "Server: nginx\r\nContent-Type: text/xml;charset=UTF-8\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n"
		for ; body != ""; body = body[min(len(body), 1000):] {
			piece := body[:min(len(body), 1000)]
			head += fmt.Sprintf("%x\r\n%s\r\n", len(piece), piece)
		}
		head += "0\r\n\r\n"
	} else {
		head += fmt.Sprintf("Server: gSOAP/2.8\r\nX-Frame-Options: SAMEORIGIN\r\nContent-Type: text/html; charset=utf-8\r\n"+
			"Content-Length: %d\r\nConnection: close\r\n\r\n", len(body)) + body
	}
	c.out.Write([]byte(head))
}

// wrap64 is base64 with a line feed after every 64 characters and at the end.
func wrap64(der []byte) string {
	s := base64.StdEncoding.EncodeToString(der)
	var b strings.Builder
	for ; s != ""; s = s[min(len(s), 64):] {
		b.WriteString(s[:min(len(s), 64)] + "\n")
	}
	return b.String()
}

func escapeXML(s string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(s))
	return b.String()
}
