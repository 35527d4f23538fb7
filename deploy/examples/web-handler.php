<?php
// A handler for `http`: any web application on this host can be one.
//
//   app/*  role=*  http http://127.0.0.1:8080/in.php          (a line of the home's file `routes`)
//
// Let it listen on 127.0.0.1 or a unix socket only: whoever can reach it can say these headers.  A 2xx status
// says that it is done, and its body is the reply; any other status tells the client `failed`.
//
// After a crash a message may come again, with the same Idempotency-Key and X-Sealpost-Attempt one higher:
// keep the key beside what it has done.
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
