<?php
// A handler for `http`. Any web application on this host can be one.
//
//   app/*  role=*  http http://127.0.0.1:8080/in.php          (a line of the routes file)
//
// Let it listen on 127.0.0.1 or a unix socket only, because anyone who can connect can send these headers. A 2xx
// status means success, and the body is the reply. With any other status the client gets `failed`.
//
// After a crash a message may come again, with the same Idempotency-Key and a higher X-Sealpost-Attempt. Store the
// key together with what the handler did.
if ($_SERVER['REQUEST_METHOD'] !== 'POST') {
    http_response_code(405);
    exit;
}
$name = $_SERVER['HTTP_X_SEALPOST_NAME'];
$role = $_SERVER['HTTP_X_SEALPOST_ROLE'];
$topic = $_SERVER['HTTP_X_SEALPOST_TOPIC'];
$key = $_SERVER['HTTP_IDEMPOTENCY_KEY'];
$body = file_get_contents('php://input');

if ($body === '') {
    http_response_code(422);
    exit;
}
header('Content-Type: text/plain');
echo "$name ($role) sent ", strlen($body), " bytes to $topic\n";
