package attrcert

import (
	"crypto"
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strconv"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// A Template is what Issue puts into an AC.
type Template struct {
	VO, Host            string
	Port                int
	FQANs               []string // written as they are
	Attributes          []Attribute
	NotBefore, NotAfter time.Time // written in whole seconds
	IssuerHolder        bool      // holder by issuer DN (RFC 5755) instead of by subject DN (VOMS)
	Targets             []string
}

// authority is the policy authority, which also is the grantor of generic attributes.
func (t Template) authority() string {
	return t.VO + "://" + net.JoinHostPort(t.Host, strconv.Itoa(t.Port))
}

// Issue signs an AC about holder, in the layout of vomsd. The certs are the signer's chain to embed, signer first; the
// first must be there, since its subject is the AC's issuer. The key must be that certificate's.
func Issue(t Template, holder *x509.Certificate, certs []*x509.Certificate, key crypto.Signer) ([]byte, error) {
	if holder == nil || len(certs) == 0 || key == nil {
		return nil, errors.New("attrcert: issuing attribute certificate: holder, signer certificate and key are needed")
	}
	if k, ok := certs[0].PublicKey.(interface{ Equal(crypto.PublicKey) bool }); !ok || !k.Equal(key.Public()) {
		return nil, errors.New("attrcert: issuing attribute certificate: the key is not that of the first certificate")
	}
	alg, err := algorithmFor(key.Public())
	if err != nil {
		return nil, fmt.Errorf("attrcert: issuing attribute certificate: %w", err)
	}
	info, err := t.marshalInfo(alg, holder, certs)
	if err != nil {
		return nil, fmt.Errorf("attrcert: issuing attribute certificate: %w", err)
	}
	signature, err := alg.sign(key, info)
	if err != nil {
		return nil, fmt.Errorf("attrcert: signing attribute certificate: %w", err)
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(info)
		alg.marshal(b)
		b.AddASN1BitString(signature)
	})
	return b.Bytes()
}

func (t Template) marshalInfo(alg algorithm, holder *x509.Certificate, certs []*x509.Certificate) ([]byte, error) {
	serial := make([]byte, 16) // as long as the UUIDs of vomsd
	if _, err := rand.Read(serial); err != nil {
		return nil, err
	}
	keyID, err := keyIdentifier(certs[0])
	if err != nil {
		return nil, err
	}
	holderName := holder.RawSubject
	if t.IssuerHolder {
		holderName = holder.RawIssuer
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(tag0, func(b *cryptobyte.Builder) {
				addDirectoryName(b, holderName)
				b.AddASN1BigInt(holder.SerialNumber)
			})
		})
		b.AddASN1(tag0, func(b *cryptobyte.Builder) { addDirectoryName(b, certs[0].RawSubject) })
		alg.marshal(b)
		b.AddASN1BigInt(new(big.Int).SetBytes(serial))
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1GeneralizedTime(t.NotBefore.UTC())
			b.AddASN1GeneralizedTime(t.NotAfter.UTC())
		})
		b.AddASN1(cbasn1.SEQUENCE, t.addFQANs)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { t.addExtensions(b, certs, keyID) })
	})
	return b.Bytes()
}

// addDirectoryName writes GeneralNames with one directory name.
func addDirectoryName(b *cryptobyte.Builder, raw []byte) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(tagName, func(b *cryptobyte.Builder) { b.AddBytes(raw) })
	})
}

func addURI(b *cryptobyte.Builder, uri string) {
	b.AddASN1(tagURI, func(b *cryptobyte.Builder) { b.AddBytes([]byte(uri)) })
}

func (t Template) addFQANs(b *cryptobyte.Builder) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidFQANs)
		b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(tag0, func(b *cryptobyte.Builder) { addURI(b, t.authority()) })
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					for _, f := range t.FQANs {
						b.AddASN1OctetString([]byte(f))
					}
				})
			})
		})
	})
}

// addExtensions writes them in vomsd's order.
func (t Template) addExtensions(b *cryptobyte.Builder, certs []*x509.Certificate, keyID []byte) {
	if len(t.Attributes) > 0 {
		addExtension(b, oidAttributes, false, t.addAttributes)
	}
	addExtension(b, oidCertSequence, false, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				for _, c := range certs {
					b.AddBytes(c.Raw)
				}
			})
		})
	})
	addExtension(b, oidNoRevAvail, false, func(b *cryptobyte.Builder) { b.AddASN1NULL() })
	addExtension(b, oidAuthorityKey, false, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(keyID) })
		})
	})
	if len(t.Targets) > 0 {
		addExtension(b, oidTargets, true, t.addTargets)
	}
}

func addExtension(b *cryptobyte.Builder, oid asn1.ObjectIdentifier, critical bool, value cryptobyte.BuilderContinuation) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		if critical {
			b.AddASN1Boolean(true)
		}
		b.AddASN1(cbasn1.OCTET_STRING, value)
	})
}

func (t Template) addAttributes(b *cryptobyte.Builder) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { addURI(b, t.authority()) })
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					for _, a := range t.Attributes {
						b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
							b.AddASN1OctetString([]byte(a.Name))
							b.AddASN1OctetString([]byte(a.Value))
							b.AddASN1OctetString([]byte(a.Qualifier))
						})
					}
				})
			})
		})
	})
}

func (t Template) addTargets(b *cryptobyte.Builder) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, target := range t.Targets {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1(tag0, func(b *cryptobyte.Builder) { addURI(b, target) })
				})
			}
		})
	})
}

// keyIdentifier is SHA-1 over the bits of the public key, RFC 5280 section 4.2.1.2 method 1, which is what vomsd writes
// whatever the certificate's own subjectKeyIdentifier is.
func keyIdentifier(cert *x509.Certificate) ([]byte, error) {
	spki := cryptobyte.String(cert.RawSubjectPublicKeyInfo)
	var body cryptobyte.String
	var bits []byte
	if !spki.ReadASN1(&body, cbasn1.SEQUENCE) || !body.SkipASN1(cbasn1.SEQUENCE) || !body.ReadASN1BitStringAsBytes(&bits) {
		return nil, errors.New("malformed public key")
	}
	sum := sha1.Sum(bits)
	return sum[:], nil
}
