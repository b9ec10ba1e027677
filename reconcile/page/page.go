// Package page shows the state of a box as one HTML page.
//
// The page needs nothing but itself: no script, no font, no image from elsewhere. Its style is allowed by its digest, and
// everything else is forbidden, by the Content-Security-Policy that comes with it. It is made for screens from 360 pixels
// on, for light and dark, for keyboards and for screen readers: each state is a word beside its colour, and each line of
// the time line is a sentence as well.
package page

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"sync"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
)

// An Input is what there is to show.
type Input struct {
	Status  status.Doc
	History []Event       // in the order of time, see ReadHistory
	Past    time.Duration // how far History goes back
	VO      string
	Host    string // name of the box
	Version string // of the program
	// Refresh is how often a browser is to load the page again; zero: never, and there is nothing served beside the page,
	// as it is a file.
	Refresh time.Duration
}

// Recent is how much of the journal the page wants.
const Recent = 8 * 24 * time.Hour

var (
	//go:embed page.css
	style string
	//go:embed page.html
	source string
)

// Policy is the Content-Security-Policy to send with the page. The page has it in itself too, but for frame-ancestors,
// which counts in a header only.
var Policy = sync.OnceValue(func() string { return policy() + "; frame-ancestors 'none'" })

func policy() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; img-src data:; base-uri 'none'; form-action 'none'"
}

// parsed is made when it is first needed: most runs of the program make no page.
var parsed = sync.OnceValues(func() (*template.Template, error) { return template.New("page").Parse(source) })

// Render returns the page. What comes from files and servers is shown with everything replaced that is not printable.
func Render(in Input) ([]byte, error) {
	t, err := parsed()
	if err != nil {
		return nil, fmt.Errorf("parsing the page's template: %w", err)
	}
	in.Status = printable(in.Status)
	in.History = printable(in.History)
	in.VO, in.Host = printable(in.VO), printable(in.Host)
	var b bytes.Buffer
	if err := t.Execute(&b, viewOf(in)); err != nil {
		return nil, fmt.Errorf("making the page: %w", err)
	}
	return b.Bytes(), nil
}
