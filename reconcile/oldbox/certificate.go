package oldbox

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
)

// A Certificate is the box's own.
type Certificate struct {
	Path, Key   string
	Subject     string // slash form; empty: there is none that can be read
	NotAfter    time.Time
	KeyReadable bool  // by who looks
	Err         error // why there is no Subject
}

func (s Source) certificate(cert, key string) Certificate {
	c := Certificate{Path: s.path(cert), Key: s.path(key)}
	c.KeyReadable = unix.Access(c.Key, unix.R_OK) == nil
	data, err := s.read(c.Path)
	if err != nil {
		c.Err = err
		return c
	}
	file, err := credfile.ParseAll(data)
	if err != nil || len(file.Certificates) == 0 {
		c.Err = fmt.Errorf("%s holds no certificate that can be read", c.Path)
		return c
	}
	first := file.Certificates[0]
	c.Subject, c.NotAfter = dn.MustFromDER(first.RawSubject).String(), first.NotAfter
	return c
}
