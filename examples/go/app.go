// Publish to a topic, or consume a group of it, with nats.go and nothing of MessageBus.
//
//	app publish URL CREDS SUBJECT TEXT
//	app consume URL CREDS TOPIC GROUP COUNT
//
// With Debian's golang-github-nats-io-go-nats-dev: GO111MODULE=off GOPATH=/usr/share/gocode go build app.go
package main

import (
	"errors"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

func main() {
	if len(os.Args) < 6 {
		log.Fatal("usage: app publish URL CREDS SUBJECT TEXT | app consume URL CREDS TOPIC GROUP COUNT")
	}
	mode, url, creds, rest := os.Args[1], os.Args[2], os.Args[3], os.Args[4:]
	nc, err := nats.Connect(url, nats.UserCredentials(creds), nats.MaxReconnects(-1))
	if err != nil {
		log.Fatal(err)
	}
	defer nc.Close()
	js, err := nc.JetStream()
	if err != nil {
		log.Fatal(err)
	}
	if mode == "publish" {
		err = publish(js, rest[0], rest[1])
	} else {
		err = consume(js, rest[0], rest[1], rest[2])
	}
	if err != nil {
		log.Fatal(err)
	}
}

// publish returns when the message is safe.
func publish(js nats.JetStreamContext, subject, text string) error {
	ack, err := js.Publish(subject, []byte(text))
	if err != nil {
		return err
	}
	fmt.Printf("stored as %s %d\n", ack.Stream, ack.Sequence)
	return nil
}

// consume binds to the group's stream and consumer: both exist already, an application cannot make or change them.
func consume(js nats.JetStreamContext, topic, group, count string) error {
	left, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	sub, err := js.PullSubscribe("", group, nats.Bind(topic+"@"+group, group))
	if err != nil {
		return err
	}
	for left > 0 {
		messages, err := sub.Fetch(left, nats.MaxWait(5*time.Second))
		if err != nil && !errors.Is(err, nats.ErrTimeout) {
			return err
		}
		for _, message := range messages {
			fmt.Printf("%s %s\n", message.Subject, message.Data)
			// the work is done: the message is gone when the server has this
			if err := message.AckSync(); err != nil {
				return err
			}
			left--
		}
	}
	return nil
}
