#!/bin/sh
# A handler for `exec` in plain shell: writes each message into a file of its own.
#
#   telemetry/*  role=sensor  exec /home/YOU/bin/spool.sh          (a line of the routes file)
#
# Make it executable: chmod 700 spool.sh. The file is named after SEALPOST_MESSAGE_ID. If a crash makes the handler
# run again, it writes the same file again. The rename makes the file appear complete.
set -eu

# The working directory is the script's own.
mkdir -p spool
file=spool/$SEALPOST_MESSAGE_ID
cat >"$file.new"
mv "$file.new" "$file"
echo "stored as $SEALPOST_NUMBER"
