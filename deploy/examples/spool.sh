#!/bin/sh
# A handler for `exec` in plain shell: puts each message into a folder, one file a message.
#
#   telemetry/*  role=sensor  exec /home/YOU/bin/spool.sh          (a line of the home's file `routes`)
#
# Make it executable: chmod 700 spool.sh.  A message's file is named after SEALPOST_MESSAGE_ID: if a crash makes
# the handler run again, the same file is written again.  It appears whole, by a rename.
set -eu

# The working directory is this script's.
mkdir -p spool
file=spool/$SEALPOST_MESSAGE_ID
cat >"$file.new"
mv "$file.new" "$file"
echo "stored as $SEALPOST_NUMBER"
