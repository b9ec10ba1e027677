package gridtest

import (
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
)

// AllowBox makes the box an authorized renewer on the MyProxy server, or with false takes that away, as it is before the
// server's administrator has been asked.
func (s *Site) AllowBox(allowed bool) {
	renewer := ""
	if allowed {
		renewer = s.Host.Identity().String()
	}
	p := SitePolicy(renewer, "")
	if s.o.Policy != nil && allowed {
		p = *s.o.Policy
	}
	s.MyProxy.SetPolicy(p)
}

// RegisterLogin copies the login proxy into the repository, as vobox-proxy register does, under the name that it gives,
// and returns the path. That proxy then answers the MyProxy server's renewal challenge.
func (s *Site) RegisterLogin() (string, error) {
	path := filepath.Join(s.Repository, credfile.EscapeName(s.User.Identity().String(), s.VO+":"+s.Role))
	return path, WriteProxy(s.Login, path)
}

// Suspend suspends the user in the VO for the reason given; an empty reason ends that.
func (s *Site) Suspend(reason string) {
	user := s.User.Identity().String()
	s.VOMS.Update(s.VO, func(v *VO) {
		if m := v.find(user); m != nil {
			m.Suspended = reason
		}
	})
}

// Expel takes the user out of the VO.
func (s *Site) Expel() {
	user := s.User.Identity().String()
	s.VOMS.Update(s.VO, func(v *VO) {
		v.Members = slices.DeleteFunc(v.Members, func(m Member) bool { return m.DN == user })
	})
}

// Admit makes the user a member with the role lcgadmin, replacing what they were.
func (s *Site) Admit() {
	s.Expel()
	s.VOMS.Update(s.VO, func(v *VO) { v.Members = append(v.Members, s.member()) })
}

// member is the user as a new site has them.
func (s *Site) member() Member {
	return Member{
		DN:         s.User.Identity().String(),
		FQANs:      []string{"/" + s.VO, "/" + s.VO + "/team", s.Role},
		Attributes: []attrcert.Attribute{{Name: "nickname", Value: "jdoe", Qualifier: s.VO}},
	}
}

// SetMaxAC changes the longest AC that the VOMS server gives.
func (s *Site) SetMaxAC(d time.Duration) { s.VOMS.Update(s.VO, func(v *VO) { v.MaxLifetime = d }) }

// RevokeUser and RevokeHost put the user's or the box's certificate on the CA's list and write it.
func (s *Site) RevokeUser() error { return s.revoke(true) }

// RevokeHost is RevokeUser for the box's host certificate.
func (s *Site) RevokeHost() error { return s.revoke(false) }

func (s *Site) revoke(user bool) error {
	c := s.Host
	if user {
		c = s.User
	}
	s.CA.Revoke(c.Leaf())
	return s.CA.WriteCRL(s.TrustDir)
}

// LogIn makes a new login proxy of so long a life, with VOMS attributes for as long, and writes it to LoginProxy.
func (s *Site) LogIn(lifetime time.Duration) error {
	ac, err := s.VOMS.Attest(s.VO, s.User, lifetime, s.Role, "/"+s.VO, "/"+s.VO+"/team")
	if err != nil {
		return fmt.Errorf("logging in: %w", err)
	}
	if s.Login, err = s.CA.Proxy(s.User, lifetime, attrcert.Extension(ac)); err != nil {
		return fmt.Errorf("logging in: %w", err)
	}
	return WriteProxy(s.Login, s.LoginProxy)
}
