<?php
// A page that shows the newest messages of the inbox, read straight from the database.
//
// It must run as the owner of the home directory. SEALPOST_HOME must be set, as for the gateway:
//   SetEnv SEALPOST_HOME "/home/YOU/sealpost-home"
// Protect it with a password (Require valid-user), because it shows everything.
//
// Use the view `inbox`: the tables behind it may change. Open the database read-only, because writing without the
// gateway's write lock can damage it.
$db = new SQLite3(getenv('SEALPOST_HOME') . '/sealpost.db', SQLITE3_OPEN_READONLY);
$db->busyTimeout(5000);
$rows = $db->query('SELECT id, name, topic, received_at, state, body FROM inbox ORDER BY id DESC LIMIT 50');

header('Content-Type: text/html; charset=utf-8');
echo "<!DOCTYPE html>\n<title>Inbox</title>\n<table>\n";
echo "<tr><th>number<th>from<th>topic<th>received<th>state<th>message\n";
while ($row = $rows->fetchArray(SQLITE3_ASSOC)) {
    $row['received_at'] = gmdate('Y-m-d H:i:s', intdiv($row['received_at'], 1000));
    // Every field comes from a client, so escape it.
    $cells = array_map(fn($cell) => htmlspecialchars((string) $cell, ENT_SUBSTITUTE), $row);
    echo '<tr><td>', implode('<td>', $cells), "\n";
}
echo "</table>\n";
