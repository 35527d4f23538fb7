<?php
// The peer: the same scheme as somebody on a shared host writes it in an afternoon.  Derive the client's key,
// decrypt, check what the client was issued, keep the message once and durably, answer encrypted.  It has no
// sessions, no handlers and no rollback; PHP-FPM runs it.

const MASTER_KEY = 'the benchmark has no secrets 0123';

function seal(string $key, string $text): string
{
    $nonce = random_bytes(12);
    $sealed = openssl_encrypt($text, 'aes-256-gcm', $key, OPENSSL_RAW_DATA, $nonce, $tag);
    return $nonce . $tag . $sealed;
}

function unseal(string $key, string $bytes): string|false
{
    return openssl_decrypt(substr($bytes, 28), 'aes-256-gcm', $key, OPENSSL_RAW_DATA,
        substr($bytes, 0, 12), substr($bytes, 12, 16));
}

function key_of(string $name): string
{
    return hash_hkdf('sha256', MASTER_KEY, 32, 'client key' . $name);
}

function claims_hmac(string $name, string $claims): string
{
    return hash_hmac('sha256', $name . "\0" . $claims, MASTER_KEY);
}

function reject(int $status): never
{
    http_response_code($status);
    exit("refused\n");
}

// Whether it is new: the table's key is the check of the counter.
function keep(string $name, int $counter, string $body): bool
{
    $db = new PDO('sqlite:' . $_SERVER['PEER_DATABASE']);
    $db->exec('PRAGMA busy_timeout = 10000; PRAGMA synchronous = FULL');
    $insert = $db->prepare('INSERT OR IGNORE INTO message VALUES (?, ?, ?, ?)');
    $insert->execute([$name, $counter, time(), $body]);
    return $insert->rowCount() === 1;
}

function answer_post(): void
{
    $name = $_POST['name'] ?? '';
    $key = key_of($name);
    $text = unseal($key, base64_decode(strtr($_POST['encrypted_message'] ?? '', '-_', '+/')));
    if ($text === false) {
        reject(403);
    }
    $message = json_decode($text, true);
    if (!hash_equals(claims_hmac($name, $message['claims']), $message['hmac'])) {
        reject(403);
    }
    if (!keep($name, $message['counter'], $message['body'])) {
        reject(409);
    }
    header('Content-Type: application/octet-stream');
    echo seal($key, json_encode(['status' => 'accepted', 'counter' => $message['counter']]));
}

// What a client would post: all of one size.
function form(int $client, int $counter, int $size): string
{
    $name = sprintf('c%08d', $client);
    $claims = '{"role":"sensor"}';
    $text = json_encode(['counter' => 100000000 + $counter, 'claims' => $claims,
        'hmac' => claims_hmac($name, $claims), 'body' => str_repeat('x', $size)]);
    $sealed = rtrim(strtr(base64_encode(seal(key_of($name), $text)), '+/', '-_'), '=');
    return "name=$name&encrypted_message=$sealed";
}

// php peer.php init DATABASE | records OUT CLIENTS FROM COUNT SIZE
function command(array $words): void
{
    if ($words[1] === 'init') {
        $db = new PDO('sqlite:' . $words[2]);
        $db->exec('PRAGMA journal_mode = WAL');
        $db->exec('CREATE TABLE message (name TEXT, counter INTEGER, received_at INTEGER, body BLOB,
            PRIMARY KEY (name, counter))');
        return;
    }
    [, , $out, $clients, $from, $count, $size] = $words;
    $file = fopen($out, 'wb');
    for ($i = $from; $i < $from + $count; $i++) {
        $form = form($i * 7919 % $clients, intdiv($i, $clients), $size);
        fwrite($file, $form);
    }
    echo strlen($form), "\n";
}

PHP_SAPI === 'cli' ? command($argv) : answer_post();
