/*
 * Publish to a topic, or consume a group of it, with the NATS C client and nothing of MessageBus.
 *
 *   app publish URL CREDS SUBJECT TEXT
 *   app consume URL CREDS TOPIC GROUP COUNT
 *
 * With Debian's libnats-dev: cc app.c -o app -lnats
 */
#include <nats/nats.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Waits for the server's acknowledgement: then the message is safe. */
static natsStatus publish(jsCtx *js, const char *subject, const char *text)
{
    jsPubAck *ack = NULL;
    natsStatus s = js_Publish(&ack, js, subject, text, (int)strlen(text), NULL, NULL);
    if (s == NATS_OK)
        printf("stored as %s %llu\n", ack->Stream, (unsigned long long)ack->Sequence);
    jsPubAck_Destroy(ack);
    return s;
}

/* Takes what waits, at most `*left`, prints and acknowledges it. Nothing waiting is no error. */
static natsStatus take(natsSubscription *sub, int *left)
{
    natsMsgList list = {0};
    natsStatus s = natsSubscription_Fetch(&list, sub, *left, 5000, NULL);
    if (s == NATS_TIMEOUT)
        s = NATS_OK;
    for (int i = 0; s == NATS_OK && i < list.Count; i++)
    {
        natsMsg *message = list.Msgs[i];
        printf("%s %.*s\n", natsMsg_GetSubject(message), natsMsg_GetDataLength(message), natsMsg_GetData(message));
        /* the work is done: the message is gone when the server has this */
        s = natsMsg_AckSync(message, NULL, NULL);
        (*left)--;
    }
    natsMsgList_Destroy(&list);
    return s;
}

/* Binds to the group's stream and consumer: both exist already, an application cannot make or change them. */
static natsStatus consume(jsCtx *js, const char *topic, const char *group, int count)
{
    char stream[160];
    jsSubOptions options;
    natsSubscription *sub = NULL;
    snprintf(stream, sizeof(stream), "%s@%s", topic, group);
    jsSubOptions_Init(&options);
    options.Stream = stream;
    options.Consumer = group;
    natsStatus s = js_PullSubscribe(&sub, js, topic, group, NULL, &options, NULL);
    while (s == NATS_OK && count > 0)
        s = take(sub, &count);
    natsSubscription_Destroy(sub);
    return s;
}

int main(int argc, char **argv)
{
    if (argc < 6)
    {
        fprintf(stderr, "usage: app publish URL CREDS SUBJECT TEXT | app consume URL CREDS TOPIC GROUP COUNT\n");
        return 2;
    }
    bool isPublisher = strcmp(argv[1], "publish") == 0;
    natsOptions *options = NULL;
    natsConnection *nc = NULL;
    jsCtx *js = NULL;
    natsStatus s = natsOptions_Create(&options);
    if (s == NATS_OK)
        s = natsOptions_SetURL(options, argv[2]);
    if (s == NATS_OK)
        s = natsOptions_SetUserCredentialsFromFiles(options, argv[3], NULL);
    if (s == NATS_OK)
        s = natsOptions_SetMaxReconnect(options, -1);
    if (s == NATS_OK)
        s = natsConnection_Connect(&nc, options);
    if (s == NATS_OK)
        s = natsConnection_JetStream(&js, nc, NULL);
    if (s == NATS_OK)
        s = isPublisher ? publish(js, argv[4], argv[5]) : consume(js, argv[4], argv[5], argc > 6 ? atoi(argv[6]) : 1);
    if (s != NATS_OK)
        nats_PrintLastErrorStack(stderr);
    jsCtx_Destroy(js);
    natsConnection_Destroy(nc);
    natsOptions_Destroy(options);
    nats_Close();
    return s == NATS_OK ? 0 : 1;
}
