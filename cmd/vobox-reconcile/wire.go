package main

import (
	"crypto/tls"
	"os"
	"sync"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/config"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/issue"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/service"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/voms"
)

// engine joins the configuration and the packages that do the work.
func (a *app) engine(cfg *config.Config, want plan.Desired, now func() time.Time) (*reconcile.Engine, error) {
	store := &trust.Store{Certificates: cfg.Trust.Certificates, VOMSDir: cfg.Trust.VOMSDir, CRL: trust.CRLMode(cfg.Trust.CRL)}
	account, err := accountOf(want)
	if err != nil {
		return nil, err
	}
	log := a.logger()
	return &reconcile.Engine{
		Trust: store,
		Issuer: &issue.Issuer{
			TLS: func(show *proxycert.Credential, p issue.Peer) *tls.Config {
				return store.ClientConfig(show, trust.Peer{Host: p.Host, DN: p.DN}, now)
			},
			Servers: sync.OnceValues(func() ([]voms.Server, error) { return voms.Load(cfg.Trust.VOMSES) }),
			Now:     now,
			Timeout: cfg.MyProxy.Timeout,
		},
		Services: &service.Runner{Account: account, Output: func(svc, phase, line string) {
			log.Info().Str("service", svc).Str("phase", phase).Msg(line)
		}},
		Now:        now,
		Log:        log,
		LoginProxy: a.getenv("X509_USER_PROXY"),
	}, nil
}

// accountOf is whom services are restarted as: root becomes the configured account, anybody else stays who they are.
func accountOf(want plan.Desired) (service.Account, error) {
	if os.Geteuid() != 0 || want.User == "" {
		return service.Account{}, nil
	}
	return service.LookupAccount(want.User)
}
