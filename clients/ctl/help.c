/* The help texts of latentctl, one for each command, and the overview that is put before them. */
#include "clients/ctl/options.h"

static const char overview[] =
    "Usage: latentctl [-s SOCKET] [--json] COMMAND [OPTION]... [ARGUMENT]\n"
    "Talk to a running latentd.\n"
    "\n"
    "Commands:\n"
    "  generate PROMPT   answer a prompt, as it is made\n"
    "  explain PROMPT    what it costs to answer a prompt, stage by stage, beside a transformer\n"
    "  encode TEXT       put a text's spans into the cache, or see that they are there\n"
    "  near TEXT         the cached spans that are most like a text\n"
    "  score FILE        how well a model predicts a text, in bits per byte\n"
    "  namespace put|list|rm  who may meet whose latents, with quotas and times to live\n"
    "  pin TEXT          never evict the latents of a text\n"
    "  unpin TEXT        let them be evicted again\n"
    "  evict TEXT        latents that go now, or a share of all\n"
    "  flush             remove the latents of a namespace, or all\n"
    "  scan              list what is stored\n"
    "  verify            check every record and mend what is damaged\n"
    "  backup DIRECTORY  copy the store while it is in use\n"
    "  export FILE       latents and documents as a pack, for another machine\n"
    "  import FILE       take a pack, all of it or nothing\n"
    "  bench             how fast it is: first token cold, warm and repeated, decoding, lookups\n"
    "  doc put|list|show|refine|history|rm  documents that the daemon keeps, by name, in versions\n"
    "  stats             what was reused and what was computed\n"
    "  token new NAME    make a token with which somebody may connect over TCP or HTTP\n"
    "  remote status     the nodes of the remote tier: which answer, and what they had\n"
    "  top               the same, live: rates, a graph of the hit rate\n"
    "  info              the daemon, its store and its limits\n"
    "  models            the models that it serves\n"
    "  ping              whether it answers\n"
    "  shutdown          let it finish what it has begun, and stop\n"
    "  repl              talk line by line; latentctl alone does so at a terminal\n"
    "  complete WORD...  what may stand next on a command line, for shells\n"
    "  help [COMMAND]    this text, or the one on a command\n"
    "\n"
    "Options of every command:\n"
    "  -s, --socket SOCKET  a path, unix:PATH, tcp://HOST:PORT or tls://HOST:PORT\n"
    "      --tls-ca FILE    authorities for certificates of tls://; the system's\n"
    "      --token-file FILE  whose first line is the token to present; $LATENTD_TOKEN\n"
    "      --json           print JSON, one object a line; errors, too\n"
    "  -h, --help           help on the command\n"
    "  -V, --version        the version of latentctl\n"
    "\n"
    "Without -s the socket is $LATENTD_SOCKET, else $XDG_RUNTIME_DIR/latentd.sock, else\n"
    "/tmp/latentd-UID/latentd.sock; if that is not there, the system's, /run/latentd/latentd.sock. NO_COLOR\n"
    "switches colours off.\n"
    "\n"
    "Exit status: 0 done, 1 the daemon cannot be reached or refused, 2 wrong command line.\n";

static const char *const texts[COMMAND_COUNT] = {
    [COMMAND_GENERATE] =
        "Usage: latentctl generate [OPTION]... PROMPT\n"
        "Answer PROMPT, or what standard input says if PROMPT is -, less its last newline. The answer\n"
        "goes to standard output as it is made, a receipt of what was reused to standard error.\n"
        "\n"
        "  --doc NAME           put a stored document before the prompt (see latentctl help doc); may be\n"
        "                       given again\n"
        "  --file FILE          put the text of FILE before the prompt; may be given again\n"
        "  --model NAME         the model; see latentctl models\n"
        "  --namespace NAME     meet only what this namespace has stored; public\n"
        "  --ttl TIME           what is stored expires after 90s, 10m, 12h, 7d; 0 is never\n"
        "  --format chat|text   answer the prompt (chat) or continue it (text); chat\n"
        "  --max-tokens N       at most N tokens, 1 to 65536; 128\n"
        "  --temperature T      0 (always the likeliest token) to 10; 0.7\n"
        "  --top-k K            of the K likeliest tokens only, at most 1024; 0 is no limit; 40\n"
        "  --top-p P            of the likeliest tokens that make up P together, above 0 to 1; 0.95\n"
        "  --repetition-penalty R  make what was said a moment ago less likely, 1 (not at all) to 2; 1.2\n"
        "  --seed N             another N, another answer; 0\n"
        "  --stop TEXT          end before TEXT; may be given 8 times\n"
        "  --json               one line for each token, {\"type\":\"token\",\"text\":...}, and a last one,\n"
        "                       {\"type\":\"done\",...}, with the text and the receipt\n",
    [COMMAND_EXPLAIN] =
        "Usage: latentctl explain [OPTION]... PROMPT\n"
        "Ask PROMPT (what standard input says if it is -), then run it again with nothing cached, with\n"
        "everything cached, and through a token-level transformer if the daemon serves one with the same\n"
        "vocabulary; and show on one page what each stage did and what it cost. Nothing but the first\n"
        "run is counted or kept.\n"
        "\n"
        "  --doc NAME       put a stored document before the prompt; may be given again\n"
        "  --file FILE      put the text of FILE before the prompt; may be given again\n"
        "  --model NAME     the model; see latentctl models\n"
        "  --namespace NAME  meet only what this namespace has stored; public\n"
        "  --measure        run prompts of 2,048 tokens as well, and not only count them\n"
        "  --json           one object, as proto/PROTOCOL.md describes it\n",
    [COMMAND_ENCODE] = "Usage: latentctl encode [OPTION]... TEXT\n"
                       "Encode the spans of TEXT (of standard input if TEXT is -) that the store lacks, and show for\n"
                       "each span its key and where it was found, or why it was not.\n"
                       "\n"
                       "  --model NAME     the model; see latentctl models\n"
                       "  --namespace NAME  meet only what this namespace has stored; public\n"
                       "  --ttl TIME       what is stored expires after 90s, 10m, 12h, 7d; 0 is never\n",
    [COMMAND_NEAR] = "Usage: latentctl near [OPTION]... TEXT\n"
                     "List for each span of TEXT (of standard input if TEXT is -) the cached spans that are nearest\n"
                     "to it, by the cosine between their latents. Nothing is put into the cache.\n"
                     "\n"
                     "  -k, --nearest N   at most N for each, 1 to 100; 10\n"
                     "  --namespace NAME  of the spans of this namespace; public\n"
                     "  --model NAME     whose latents; see latentctl models\n",
    [COMMAND_SCORE] =
        "Usage: latentctl score [OPTION]... FILE\n"
        "Say how well a model predicts the text of FILE (of standard input if FILE is -): bits per byte,\n"
        "less is better. Long texts are scored in pieces of the model's context.\n"
        "\n"
        "  --model NAME     the model; see latentctl models\n"
        "  --namespace NAME  meet only what this namespace has stored; public\n"
        "  --ttl TIME       what is stored expires after 90s, 10m, 12h, 7d; 0 is never\n",
    [COMMAND_NAMESPACE] =
        "Usage: latentctl namespace put [OPTION]... NAME\n"
        "       latentctl namespace list\n"
        "       latentctl namespace rm NAME\n"
        "Latents and documents of one namespace are never found from another. put makes one or changes its\n"
        "settings, rm removes it with all that it has stored.\n"
        "\n"
        "  --quota SIZE     bytes of latents that it may have, such as 10M; beyond, it loses old ones; 0 is no limit\n"
        "  --ttl TIME       its latents expire after 90s, 10m, 12h, 7d; 0 is never\n",
    [COMMAND_PIN] = "Usage: latentctl pin [OPTION]... [TEXT]\n"
                    "Never evict the latents of the spans of TEXT (of standard input if it is -), or those under\n"
                    "keys. Encode the text first: what is not stored is not pinned.\n"
                    "\n"
                    "  --key KEY        this key instead of a text; may be given 64 times\n"
                    "  --namespace NAME  whose latents; public\n"
                    "  --model NAME     whose spans the text has; see latentctl models\n",
    [COMMAND_UNPIN] = "Usage: latentctl unpin [OPTION]... [TEXT]\n"
                      "Let the latents of the spans of TEXT (of standard input if it is -), or those under keys, be\n"
                      "evicted again.\n"
                      "\n"
                      "  --key KEY        this key instead of a text; may be given 64 times\n"
                      "  --namespace NAME  whose latents; public\n"
                      "  --model NAME     whose spans the text has; see latentctl models\n",
    [COMMAND_EVICT] = "Usage: latentctl evict [OPTION]... [TEXT]\n"
                      "Remove the latents of the spans of TEXT (of standard input if it is -), those under keys, or a\n"
                      "share of all, those first that are used least. Pinned ones stay.\n"
                      "\n"
                      "  --key KEY        this key instead of a text; may be given 64 times\n"
                      "  --share SHARE    this share of all latents, above 0 to 1, or of a namespace's\n"
                      "  --namespace NAME  whose latents; public, but for a share all\n"
                      "  --model NAME     whose spans the text has; see latentctl models\n",
    [COMMAND_FLUSH] =
        "Usage: latentctl flush [OPTION]...\n"
        "Remove all latents of a namespace or of all, pinned or not, and all mixed states. What is public\n"
        "goes from the remote tier as well; other daemons keep what they have in their own stores.\n"
        "\n"
        "  --namespace NAME  of this namespace\n"
        "  --all            of all namespaces\n"
        "  --yes            do not ask\n",
    [COMMAND_SCAN] = "Usage: latentctl scan [OPTION]...\n"
                     "List the stored latents: text, tokens, type, bytes, namespace, age, time left, key.\n"
                     "\n"
                     "  --namespace NAME  of this namespace; all\n",
    [COMMAND_VERIFY] =
        "Usage: latentctl verify [OPTION]...\n"
        "Check every stored latent. What is damaged is encoded again if its tokens are still known, else\n"
        "removed.\n"
        "\n"
        "  --reencode       encode every latent again and compare\n"
        "  --namespace NAME  of this namespace; all\n",
    [COMMAND_BACKUP] = "Usage: latentctl backup DIRECTORY\n"
                       "Copy the store to DIRECTORY on the daemon's machine, which must not exist or be empty, while\n"
                       "prompts are answered. A daemon can be started on the copy.\n",
    [COMMAND_EXPORT] =
        "Usage: latentctl export [OPTION]... FILE\n"
        "Write the latents of a namespace that the encoder of a model made to FILE, as a pack; or, with\n"
        "--doc, documents in their newest versions and what is stored of their latents.\n"
        "\n"
        "  --doc NAME       this document; may be given again\n"
        "  --namespace NAME  of this namespace; public\n"
        "  --model NAME     whose encoder made them; see latentctl models\n",
    [COMMAND_IMPORT] =
        "Usage: latentctl import [OPTION]... FILE\n"
        "Take the pack FILE (standard input if it is -). One that is damaged, cut off, too large or of an\n"
        "encoder that is not served is refused, and nothing of it stays. A document of it becomes the newest\n"
        "version of its name, unless the newest has the same text.\n"
        "\n"
        "  --namespace NAME  into this namespace; public\n"
        "  --ttl TIME       its latents expire after 90s, 10m, 12h, 7d, if they do not sooner\n",
    [COMMAND_BENCH] =
        "Usage: latentctl bench [--model NAME] [--json]\n"
        "Measure the running daemon in half a minute: documents of made-up text, each asked about for the\n"
        "first time, with another question, and again. They take some room in the store.\n",
    [COMMAND_DOC] = "Usage: latentctl doc put NAME FILE|-|DIRECTORY\n"
                    "       latentctl doc list\n"
                    "       latentctl doc show [--doc-version N] NAME\n"
                    "       latentctl doc refine [--doc-version N] NAME\n"
                    "       latentctl doc history NAME\n"
                    "       latentctl doc rm NAME\n"
                    "Keep documents in the daemon. put stores the text of FILE (- is standard input) as the newest\n"
                    "version of NAME and encodes only what is new in it; of a DIRECTORY it stores every file, as\n"
                    "NAME/PATH. show writes the text to standard output. refine does ahead what every\n"
                    "prompt would do, as the daemon does by itself with documents that are used twice. history\n"
                    "lists the versions that are kept, at most 8. See latentctl help generate for asking about them.\n"
                    "\n"
                    "  --namespace NAME  a document of this namespace; public\n"
                    "  --model NAME     the model whose encoder reads the text; see latentctl models\n"
                    "  --doc-version N  show this version and not the newest\n"
                    "  --json           one object for each document, version or part of a text\n",
    [COMMAND_STATS] = "Usage: latentctl stats [--watch] [--json]\n"
                      "Show the counters since the daemon's start and over the lifetime of its store.\n"
                      "\n"
                      "  --watch   again every second, until Ctrl-C\n",
    [COMMAND_REMOTE] = "Usage: latentctl remote status [--json]\n"
                       "Show each node of the Redis Cluster that the daemon shares latents over: whether its circuit\n"
                       "breaker lets requests through (closed), keeps them away (open) or is trying (half open), the\n"
                       "slots that it has, the answers that it owes, and since the start hits, misses and errors.\n",
    [COMMAND_INFO] = "Usage: latentctl info [--json]\n"
                     "Show the daemon's version, addresses, store and limits.\n",
    [COMMAND_PING] = "Usage: latentctl ping [--json]\n"
                     "Exit with 0 if the daemon answers.\n",
    [COMMAND_MODELS] = "Usage: latentctl models [--json]\n"
                       "List the models that the daemon serves.\n",
    [COMMAND_SHUTDOWN] = "Usage: latentctl shutdown [--json]\n"
                         "Stop the daemon after what it has begun is finished and stored.\n",
    [COMMAND_TOKEN] = "Usage: latentctl token new [OPTION]... NAME\n"
                      "Make a random token. It is shown once, on standard error: give it to whoever is to have it. On\n"
                      "standard output is the line that goes into the daemon's token file, with the token's hash;\n"
                      "systemctl reload latentd, or SIGHUP, lets the daemon read the file again. To revoke a token,\n"
                      "remove its line and reload.\n"
                      "\n"
                      "  --roles ROLES    read, generate, write or admin (which includes the others), with commas\n"
                      "                   between several; read,generate\n"
                      "  --namespace NAME  in which all of its requests are; without it each may choose\n",
    [COMMAND_TOP] = "Usage: latentctl top\n"
                    "Show what the daemon does, each second: hit rate, requests, tokens, store. q ends it.\n",
    [COMMAND_REPL] =
        "Usage: latentctl repl [OPTION]...\n"
        "Talk line by line. A line that begins with a command is that command; any other is a prompt, as is\n"
        "one that begins with a blank. Options are those of generate and go with each prompt. So do those\n"
        "that are set later: set --file notes.txt puts a document in front of every prompt, set alone\n"
        "forgets all that was set. Tab completes, Ctrl-C ends an answer, Ctrl-D or quit the conversation.\n"
        "Lines are remembered in $XDG_STATE_HOME/latentctl/history.\n",
    [COMMAND_COMPLETE] =
        "Usage: latentctl complete WORD...\n"
        "List what may stand in place of the last WORD, behind the others, on a command line of latentctl:\n"
        "one candidate a line, a tab, and what it is; :file and :directory stand for paths. Shells call\n"
        "this (deploy/completions).\n",
    [COMMAND_HELP] = "Usage: latentctl help [COMMAND]\n"
                     "Show help on latentctl or on one of its commands.\n",
};

const char *options_help(enum command command)
{
    return command < COMMAND_COUNT ? texts[command] : overview;
}
