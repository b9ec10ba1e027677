package credfile_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"errors"
	"math/big"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
)

// slow is what no refusal takes on a busy machine, and what doing the work that is asked for takes by far.
const slow = 20 * time.Second

// What follows makes encrypted keys with any parameters.
type algorithm struct {
	OID    asn1.ObjectIdentifier
	Params asn1.RawValue
}

func der(t testing.TB, v any) asn1.RawValue {
	t.Helper()
	b, err := asn1.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return asn1.RawValue{FullBytes: b}
}

func keyInfo(t testing.TB, kdf, cipher algorithm, data []byte) []byte {
	t.Helper()
	return der(t, struct {
		Alg  algorithm
		Data []byte
	}{algorithm{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}, der(t, struct{ KDF, Cipher algorithm }{kdf, cipher})}, data}).FullBytes
}

var (
	oidPBKDF2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidScrypt = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11591, 4, 11}
	oidAES256 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}
)

// Parameters of which the file's author hopes that they keep us busy, or take all memory, or make us panic.
func TestHostileParameters(t *testing.T) {
	cert := writeFile(t, "cert", certBlocks(theFixture().eec))
	salt, data := []byte("saltsalt"), make([]byte, 64)
	aes := algorithm{oidAES256, der(t, make([]byte, 16))}
	huge := new(big.Int).Lsh(big.NewInt(1), 100)
	pbkdf2 := func(v any) algorithm { return algorithm{oidPBKDF2, der(t, v)} }
	scrypt := func(n, r, p int) algorithm {
		return algorithm{oidScrypt, der(t, struct {
			Salt    []byte
			N, R, P int
		}{salt, n, r, p})}
	}
	type rounds struct {
		Salt   []byte
		Rounds int
	}
	type withLength struct {
		Salt           []byte
		Rounds, Length int
	}
	for name, tc := range map[string]struct {
		der  []byte
		want string
	}{
		"2^31 rounds": {keyInfo(t, pbkdf2(rounds{salt, 1 << 31}), aes, data), "too much work"},
		"2^100 rounds": {keyInfo(t, pbkdf2(struct {
			Salt   []byte
			Rounds *big.Int
		}{salt, huge}), aes, data), "damaged"},
		"no rounds":       {keyInfo(t, pbkdf2(rounds{salt, 0}), aes, data), "damaged"},
		"negative rounds": {keyInfo(t, pbkdf2(rounds{salt, -1}), aes, data), "damaged"},
		"long key":        {keyInfo(t, pbkdf2(withLength{salt, 1, 1 << 30}), aes, data), "damaged"},
		"short key":       {keyInfo(t, pbkdf2(withLength{salt, 1, 1}), aes, data), "damaged"},
		"salt elsewhere": {keyInfo(t, pbkdf2(struct {
			Salt   algorithm
			Rounds int
		}{aes, 1}), aes, data), "damaged"},
		"scrypt, memory":     {keyInfo(t, scrypt(1<<24, 8, 1), aes, data), "N=16777216"},
		"scrypt, N no power": {keyInfo(t, scrypt(1000, 8, 1), aes, data), "N=1000"},
		"scrypt, r":          {keyInfo(t, scrypt(2, 1<<30, 1), aes, data), "too much work"},
		"scrypt, p":          {keyInfo(t, scrypt(1<<14, 8, 1<<30), aes, data), "too much work"},
		"scrypt, all small":  {keyInfo(t, scrypt(1<<15, 16, 16), aes, data), "too much work"},
		"IV short":           {keyInfo(t, pbkdf2(rounds{salt, 1}), algorithm{oidAES256, der(t, make([]byte, 8))}, data), "damaged"},
		"IV missing":         {keyInfo(t, pbkdf2(rounds{salt, 1}), algorithm{oidAES256, asn1.NullRawValue}, data), "damaged"},
		"no data":            {keyInfo(t, pbkdf2(rounds{salt, 1}), aes, nil), "damaged"},
		"half a block":       {keyInfo(t, pbkdf2(rounds{salt, 1}), aes, data[:40]), "damaged"},
		"no KDF known":       {keyInfo(t, algorithm{oidAES256, der(t, salt)}, aes, data), ""},
	} {
		t.Run(name, func(t *testing.T) {
			path := writeFile(t, "key", block("ENCRYPTED PRIVATE KEY", tc.der))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			_, err := credfile.LoadPair(cert, path, ask(passphrase))
			if err == nil || !strings.Contains(err.Error(), tc.want) || errors.Is(err, credfile.ErrPassphrase) {
				t.Errorf("error %v, want one with %q that does not blame the passphrase", err, tc.want)
			}
			runtime.ReadMemStats(&after)
			if took, mem := time.Since(start), after.TotalAlloc-before.TotalAlloc; took > slow || mem > 4<<20 {
				t.Errorf("it took %v and %d bytes to refuse it", took, mem)
			}
		})
	}
}

// Of a container every part is bounded, and so is the MAC.
func TestHostilePKCS12(t *testing.T) {
	type safe struct {
		OID     asn1.ObjectIdentifier
		Content asn1.RawValue `asn1:"explicit,tag:0"`
	}
	type rounds struct {
		Salt   []byte
		Rounds int
	}
	type mac struct {
		Digest struct {
			Alg    algorithm
			Digest []byte
		}
		Salt   []byte
		Rounds int
	}
	explicit := func(v any) asn1.RawValue {
		return asn1.RawValue{Class: 2, Tag: 0, IsCompound: true, Bytes: der(t, v).FullBytes}
	}
	oidData := asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidPBE := asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 1, 3}
	oidBag := asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1}
	shrouded := func(n int) safe {
		return safe{append(oidBag, 2), explicit(struct {
			Alg  algorithm
			Data []byte
		}{algorithm{oidPBE, der(t, rounds{[]byte("saltsalt"), n})}, make([]byte, 64)})}
	}
	nested := safe{append(oidBag, 1), explicit([]int{1})}
	for range 50 {
		nested = safe{append(oidBag, 6), explicit([]safe{nested})}
	}
	mac2G := mac{Salt: []byte("x"), Rounds: 1 << 31}
	mac2G.Digest.Alg = algorithm{asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}, asn1.NullRawValue}
	for name, tc := range map[string]struct {
		bags []safe
		mac  any
		want string
	}{
		"a key with 2^31 rounds": {[]safe{shrouded(1 << 31)}, nil, "too much work"},
		"a key without rounds":   {[]safe{shrouded(0)}, nil, "damaged"},
		"a MAC with 2^31 rounds": {nil, mac2G, "too much work"},
		"a key that is a list":   {[]safe{{append(oidBag, 1), explicit([]int{1})}}, nil, "damaged"},
		"bags in bags":           {[]safe{nested}, nil, "damaged"},
		"no bags":                {nil, nil, "no certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			content := der(t, []safe{{oidData, explicit(der(t, tc.bags).FullBytes)}}).FullBytes
			var file []byte
			if tc.mac == nil {
				file = der(t, struct {
					Version int
					Safe    safe
				}{3, safe{oidData, explicit(content)}}).FullBytes
			} else {
				file = der(t, struct {
					Version int
					Safe    safe
					MAC     any
				}{3, safe{oidData, explicit(content)}, tc.mac}).FullBytes
			}
			path := writeFile(t, "user.p12", file)
			start := time.Now()
			_, err := credfile.LoadPair(path, path, ask(passphrase))
			if err == nil || !strings.Contains(err.Error(), tc.want) || time.Since(start) > slow {
				t.Errorf("error %v after %v, want one with %q at once", err, time.Since(start), tc.want)
			}
		})
	}
}

// However an encrypted file is damaged, no error shows a part of the key or of the passphrase.
func TestOpenErrorsKeepSecrets(t *testing.T) {
	secret := "a-passphrase-of-its-own"
	pem := encryptTraditionalWith(t, theFixture().eecKey.(*rsa.PrivateKey), secret)
	random := make([]byte, 64)
	rand.Read(random)
	checked := 0
	for i := 0; i < len(pem); i += 11 {
		data := append([]byte{}, pem...)
		data[i] ^= 1 + random[i%64]&0x0f
		f, err := credfile.ParseAll(data)
		if err == nil {
			err = f.Open(ask(secret))
		}
		if err == nil {
			continue
		}
		checked++
		if strings.Contains(err.Error(), secret) {
			t.Fatalf("the error %q shows the passphrase", err)
		}
		for j := 100; j+12 <= len(pem)-100; j += 12 {
			if strings.Contains(err.Error(), string(pem[j:j+12])) {
				t.Fatalf("the error %q shows the key", err)
			}
		}
	}
	if checked == 0 {
		t.Error("no damage was noticed")
	}
}
