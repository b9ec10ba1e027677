package notify

import (
	"encoding/json"
	"time"
)

// maxPayload is how many alerts the JSON of a message has.
const maxPayload = 200

// A payload is a message as JSON: what a webhook is sent and a command reads.
type payload struct {
	Version  int       `json:"version"`
	Source   string    `json:"source"`
	Host     string    `json:"host"`
	VO       string    `json:"vo"`
	Time     time.Time `json:"time"`
	Severity Severity  `json:"severity"`
	Test     bool      `json:"test,omitempty"`
	Title    string    `json:"title"`
	Text     string    `json:"text"` // what Slack, Mattermost and Rocket.Chat show
	Alerts   []Alert   `json:"alerts"`
	More     int       `json:"more,omitempty"` // that are not in the list
}

// JSON is the message for programs: one object, whose text is a whole message for a chat.
func (m Message) JSON() ([]byte, error) {
	p := payload{Version: 1, Source: "vobox-reconcile", Host: oneLine(m.Host, 255), VO: oneLine(m.VO, 80), Time: m.Time.UTC().Truncate(time.Second),
		Severity: m.Severity(), Test: m.Test, Title: m.Headline(), Text: m.Headline() + "\n\n" + m.Text(), Alerts: []Alert{}}
	p.More = m.More + max(len(m.Alerts)-maxPayload, 0)
	for _, a := range m.Alerts[:min(len(m.Alerts), maxPayload)] {
		a = a.Clean()
		a.Since, a.Told = a.Since.UTC().Truncate(time.Second), a.Told.UTC()
		p.Alerts = append(p.Alerts, a)
	}
	return json.Marshal(p)
}

// Sample is a message that nobody has to act on: one alert that is open, and one that is well again.
func Sample(host, vo string, now time.Time) Message {
	m := Message{Host: host, VO: vo, Time: now, Test: true, Alerts: []Alert{
		{ID: "MP-STORED", Severity: Warning, Subject: "sample", State: Open, Since: now, Where: "LCG-UI",
			Message: "the credential stored on myproxy.example.org:7512 will end soon (this is a sample)",
			Remedy:  "myproxy-init -s myproxy.example.org -d -n -t 48 -c 3000"},
		{ID: "PROXY-LOW", Severity: Critical, Subject: "sample", State: Ended, Since: now.Add(-90 * time.Minute), Where: "VO-Box",
			Message: "the user proxy was about to end (this is a sample)", Remedy: "vobox-reconcile --force sample"},
	}}
	return m
}
