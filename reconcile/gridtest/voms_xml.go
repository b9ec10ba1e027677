package gridtest

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// A vomsDocument is a request of the XML protocol.
type vomsDocument struct {
	XMLName  xml.Name `xml:"voms"`
	Commands []string `xml:"command"`
	Order    string   `xml:"order"`
	Targets  string   `xml:"targets"`
	Base64   string   `xml:"base64"`
	Lifetime string   `xml:"lifetime"`
}

const xmlHead = `<?xml version="1.0" encoding = "US-ASCII"?><vomsans><version>3</version>`

// dummyAC stands in the <ac> of an error: base64 of "A".
const dummyAC = "QQ==\n"

// xml answers a request of the older protocol.
func (c *vomsSession) xml(data []byte) {
	if c.s.o.Style == IAM {
		c.http(400, "")
		return
	}
	c.log.Protocol = "XML"
	d := xml.NewDecoder(bytes.NewReader(data))
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil } // US-ASCII
	var doc vomsDocument
	// The flag byte in one record with the document is taken for a part of it.
	if data[0] != '<' || d.Decode(&doc) != nil || len(doc.Commands) == 0 {
		c.refuseXML(&notice{1005, "", "Unable to interpret command."})
		return
	}
	w, list, no := c.commands(doc)
	if vo, ok := c.s.vo(w.vo); ok && vo.NoXML {
		return
	}
	if no != nil {
		c.refuseXML(no)
		return
	}
	encode := wrap64
	if doc.Base64 == "" {
		encode = private64
	}
	if list {
		c.list(w, encode)
		return
	}
	g, no := c.answer(w)
	if no != nil {
		c.refuseXML(no)
		return
	}
	var errs strings.Builder
	for _, n := range g.warnings {
		errs.WriteString(n.item())
	}
	b := xmlHead
	if errs.Len() > 0 {
		b += "<error>" + errs.String() + "</error>"
	}
	c.out.Write([]byte(b + "<ac>" + encode(g.ac) + "</ac></vomsans>"))
}

// commands reads what is asked: G a group, B a group and a role, R a role in any group, A all, N a list in words.
func (c *vomsSession) commands(doc vomsDocument) (w want, list bool, no *notice) {
	vo, _ := c.s.vo("")
	for _, cmd := range doc.Commands {
		kind, arg := cmd[:min(1, len(cmd))], cmd[min(1, len(cmd)):]
		switch kind {
		case "G":
			w.askFor(arg)
		case "B":
			group, role, _ := strings.Cut(arg, ":")
			w.askFor(group + "/Role=" + role)
		case "R":
			w.askFor("/" + vo.Name + "/Role=" + arg)
		case "A":
			w.all = true
		case "N":
			list, w.all = true, true
		default:
			return w, false, cannot.says("%s: Unable to satisfy %s request!", vo.Name, cmd)
		}
	}
	for f := range strings.SplitSeq(doc.Order, ",") {
		if f != "" {
			w.order = append(w.order, strings.Replace(f, ":", "/Role=", 1))
		}
	}
	if doc.Targets != "" {
		w.targets = strings.Split(doc.Targets, ",")
	}
	n, _ := strconv.Atoi(strings.TrimSpace(doc.Lifetime))
	w.lifetime = time.Duration(n) * time.Second
	return w, list, nil
}

// list answers the command N.
func (c *vomsSession) list(w want, encode func([]byte) string) {
	vo, _ := c.s.vo(w.vo)
	m, no := c.member(vo)
	if no != nil {
		c.refuseXML(no)
		return
	}
	fqans, no := c.choose(vo, m, &w)
	if no != nil {
		c.refuseXML(no)
		return
	}
	c.log.Given = fqans
	c.out.Write([]byte(xmlHead + "<bitstr>" + encode([]byte(strings.Join(fqans, "\n"))) + "</bitstr><ac>" + dummyAC + "</ac></vomsans>"))
}

func (c *vomsSession) refuseXML(no *notice) {
	c.log.Code = strconv.Itoa(no.number)
	c.out.Write([]byte(legacyError(no)))
}

func legacyError(no *notice) string {
	return xmlHead + "<error>" + no.item() + "</error><ac>" + dummyAC + "</ac></vomsans>"
}

func (n notice) item() string {
	return fmt.Sprintf("<item><number>%d</number><message>%s</message></item>", n.number, escapeXML(n.text))
}

// privateAlphabet is vomsd's own base64, used where the request does not ask for the standard one.
var privateAlphabet = base64.NewEncoding("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789[]").WithPadding(base64.NoPadding)

func private64(b []byte) string { return privateAlphabet.EncodeToString(b) }
