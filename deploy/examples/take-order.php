#!/usr/bin/env php
<?php
// A handler for `exec`: stores an order and answers with its number.
//
//   orders  role=shop  exec /home/YOU/bin/take-order.php          (a line of the routes file)
//
// Make it executable: chmod 700 take-order.php. The body comes on standard input. What the handler prints is the
// reply to the client. Exit status 0 means success. Standard error goes to the gateway's log.
//
// After a crash a handler may run again with the same SEALPOST_MESSAGE_ID. Here that id is unique in the table, so
// one message makes one order, however often this runs.
$order = json_decode(stream_get_contents(STDIN), true);
if (!is_array($order) || !isset($order['item'])) {
    fwrite(STDERR, "this order names no item\n");
    exit(1);
}

$db = new SQLite3(__DIR__ . '/orders.db');
$db->busyTimeout(5000);
$db->exec('CREATE TABLE IF NOT EXISTS orders (number INTEGER PRIMARY KEY, id TEXT UNIQUE, shop TEXT, item TEXT)');

$insert = $db->prepare('INSERT OR IGNORE INTO orders (id, shop, item) VALUES (?, ?, ?)');
$insert->bindValue(1, getenv('SEALPOST_MESSAGE_ID'));
$insert->bindValue(2, getenv('SEALPOST_NAME'));
$insert->bindValue(3, (string) $order['item']);
$insert->execute();

$select = $db->prepare('SELECT number FROM orders WHERE id = ?');
$select->bindValue(1, getenv('SEALPOST_MESSAGE_ID'));
echo 'order ', $select->execute()->fetchArray()[0], "\n";
