CREATE TABLE "alert_looks" (
   "code" TEXT PRIMARY KEY,
   "price" INTEGER,
   "volume" INTEGER,
   "at" TEXT NOT NULL
) STRICT;

CREATE TABLE alerts (id INTEGER PRIMARY KEY AUTOINCREMENT, user_id INTEGER NOT NULL, chat_id INTEGER NOT NULL, code TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, op TEXT NOT NULL, line INTEGER NOT NULL, again TEXT NOT NULL, made_at TEXT NOT NULL, expires_at TEXT NOT NULL, state TEXT NOT NULL, crossings INTEGER NOT NULL, percent TEXT, factor TEXT, start INTEGER NOT NULL, day TEXT, etf INTEGER NOT NULL, parent INTEGER REFERENCES alerts (id) ON DELETE CASCADE, asked INTEGER UNIQUE, ended_at TEXT) STRICT;

CREATE UNIQUE INDEX "idx_alerts_parent_code_kind_op"
    ON "alerts" ("parent", "code", "kind", "op");

CREATE INDEX "idx_alerts_user_id"
    ON "alerts" ("user_id");

CREATE TABLE "attempts" (
   "order_id" INTEGER REFERENCES "orders"("id"),
   "n" INTEGER,
   "started_at" TEXT NOT NULL,
   "baseline" TEXT NOT NULL, "first_at" TEXT, "offset" REAL NOT NULL DEFAULT 0, "means" INTEGER, "endpoint" TEXT NOT NULL DEFAULT '', "body" TEXT NOT NULL DEFAULT '', "digest" TEXT NOT NULL DEFAULT '', "run" INTEGER NOT NULL DEFAULT 0, "outcome" TEXT, "status" INTEGER, "code" TEXT, "answer" TEXT, "sent" INTEGER, "seconds" REAL, "answered_at" TEXT,
   PRIMARY KEY ("order_id", "n")
) STRICT;

CREATE TABLE "audit" (
   "seq" INTEGER PRIMARY KEY,
   "at" TEXT NOT NULL,
   "user_id" INTEGER,
   "name" TEXT,
   "action" TEXT NOT NULL,
   "order_id" INTEGER,
   "detail" TEXT NOT NULL
, key_day TEXT, mac TEXT) STRICT;

CREATE INDEX audit_user ON audit (user_id, seq);

CREATE INDEX "idx_audit_order_id"
    ON "audit" ("order_id");

CREATE TRIGGER audit_at_the_end BEFORE INSERT ON audit WHEN NEW.mac IS NULL OR EXISTS (SELECT 1 FROM audit WHERE seq >= NEW.seq) BEGIN SELECT RAISE(ABORT, 'audit grows only at its end'); END;

CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'audit rows are only ever added'); END;

CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'audit rows are only ever added'); END;

CREATE TABLE "audit_anchors" (
   "seq" INTEGER PRIMARY KEY,
   "head" TEXT NOT NULL,
   "at" TEXT NOT NULL
) STRICT;

CREATE TRIGGER audit_anchors_at_the_end BEFORE INSERT ON audit_anchors WHEN EXISTS (SELECT 1 FROM audit_anchors WHERE seq = NEW.seq) BEGIN SELECT RAISE(ABORT, 'audit_anchors grows only at its end'); END;

CREATE TRIGGER audit_anchors_no_delete BEFORE DELETE ON audit_anchors BEGIN SELECT RAISE(ABORT, 'audit anchors are only ever added'); END;

CREATE TRIGGER audit_anchors_no_update BEFORE UPDATE ON audit_anchors BEGIN SELECT RAISE(ABORT, 'audit anchors are only ever added'); END;

CREATE TABLE "brakes" (
   "seq" INTEGER PRIMARY KEY,
   "at" TEXT NOT NULL,
   "level" INTEGER NOT NULL,
   "why" TEXT NOT NULL,
   "user_id" INTEGER NOT NULL,
   "name" TEXT NOT NULL
) STRICT;

CREATE TABLE "buttons" (
   "id" INTEGER PRIMARY KEY,
   "digest" TEXT NOT NULL,
   "order_id" INTEGER REFERENCES "orders"("id"),
   "action" TEXT NOT NULL,
   "user_id" INTEGER NOT NULL,
   "expires_at" TEXT NOT NULL,
   "used_at" TEXT
, "terms" TEXT NOT NULL DEFAULT '') STRICT;

CREATE UNIQUE INDEX "idx_buttons_digest"
    ON "buttons" ("digest");

CREATE TABLE "channels" (
   "name" TEXT PRIMARY KEY,
   "at" TEXT NOT NULL
) STRICT;

CREATE TABLE "closings" (
   "moment" TEXT PRIMARY KEY,
   "day" TEXT NOT NULL,
   "report" TEXT NOT NULL,
   "told_at" TEXT NOT NULL,
   "after_at" TEXT
) STRICT;

CREATE TABLE "cost_base" (
   "at" TEXT PRIMARY KEY,
   "day" TEXT NOT NULL,
   "lots" TEXT NOT NULL,
   "seen" TEXT NOT NULL
) STRICT;

CREATE TABLE "days" (
   "day" TEXT PRIMARY KEY,
   "worth" INTEGER NOT NULL
) STRICT;

CREATE TABLE "external" (
   "day" TEXT,
   "branch" TEXT,
   "order_no" TEXT,
   "filled" INTEGER NOT NULL,
   PRIMARY KEY ("day", "branch", "order_no")
) STRICT;

CREATE TABLE "heard_days" (
   "day" TEXT PRIMARY KEY,
   "figures" TEXT NOT NULL
) STRICT;

CREATE TABLE "identity" (
   "id" INTEGER PRIMARY KEY,
   "mode" TEXT NOT NULL,
   "account" TEXT NOT NULL,
   "since" TEXT NOT NULL
) STRICT;

CREATE TABLE "inbox" (
   "update_id" INTEGER PRIMARY KEY,
   "body" TEXT NOT NULL,
   "kept_at" TEXT NOT NULL,
   "done_at" TEXT
) STRICT;

CREATE INDEX inbox_open ON inbox (update_id) WHERE done_at IS NULL;

CREATE TABLE "invites" (
   "id" INTEGER PRIMARY KEY,
   "digest" TEXT NOT NULL,
   "role" TEXT NOT NULL,
   "name" TEXT NOT NULL,
   "made_by" INTEGER,
   "made_at" TEXT NOT NULL,
   "expires_at" TEXT NOT NULL,
   "used_at" TEXT,
   "used_by" INTEGER
) STRICT;

CREATE UNIQUE INDEX "idx_invites_digest"
    ON "invites" ("digest");

CREATE TABLE "join_requests" (
   "id" INTEGER PRIMARY KEY,
   "user_id" INTEGER NOT NULL,
   "name" TEXT NOT NULL,
   "at" TEXT NOT NULL,
   "state" TEXT NOT NULL,
   "decided_by" INTEGER,
   "decided_at" TEXT
) STRICT;

CREATE TABLE "limits" (
   "id" INTEGER PRIMARY KEY,
   "user_id" INTEGER NOT NULL,
   "item" TEXT NOT NULL,
   "value" TEXT,
   "from_day" TEXT NOT NULL,
   "set_at" TEXT NOT NULL,
   "set_by" INTEGER,
   "set_by_name" TEXT NOT NULL
) STRICT;

CREATE INDEX "idx_limits_user_id"
    ON "limits" ("user_id");

CREATE TRIGGER limits_no_delete BEFORE DELETE ON limits BEGIN SELECT RAISE(ABORT, 'limits are only ever added'); END;

CREATE TRIGGER limits_no_update BEFORE UPDATE ON limits BEGIN SELECT RAISE(ABORT, 'limits are only ever added'); END;

CREATE TABLE "list_days" (
   "day" TEXT PRIMARY KEY,
   "over" INTEGER NOT NULL
) STRICT;

CREATE TABLE "orders" (
   "id" INTEGER PRIMARY KEY,
   "version" INTEGER NOT NULL,
   "state" TEXT NOT NULL,
   "side" TEXT NOT NULL,
   "code" TEXT NOT NULL,
   "name" TEXT,
   "etf" INTEGER,
   "quantity" INTEGER NOT NULL,
   "kind" TEXT,
   "price" INTEGER,
   "user_id" INTEGER NOT NULL,
   "chat_id" INTEGER NOT NULL,
   "user_name" TEXT,
   "origin" INTEGER NOT NULL,
   "created_at" TEXT NOT NULL,
   "expires_at" TEXT,
   "quote" INTEGER,
   "quote_at" TEXT,
   "quote_change" TEXT,
   "unit" INTEGER,
   "reserve_unit" INTEGER,
   "fee" INTEGER,
   "tax" INTEGER,
   "cash_after" INTEGER,
   "sellable_after" INTEGER,
   "was_quote" INTEGER,
   "attempt" INTEGER,
   "sent_at" TEXT,
   "day" TEXT,
   "order_no" TEXT,
   "branch" TEXT,
   "accepted_time" TEXT,
   "link" TEXT,
   "filled" INTEGER,
   "filled_amount" INTEGER,
   "cancelled" INTEGER,
   "cancel" TEXT,
   "code_word" TEXT,
   "message" TEXT,
   "finished_at" TEXT
, "cautions" TEXT NOT NULL DEFAULT '', "notes" TEXT NOT NULL DEFAULT '', "warned" INTEGER NOT NULL DEFAULT 0, "act" TEXT NOT NULL DEFAULT 'new', "parent" INTEGER, "fingerprint" TEXT NOT NULL DEFAULT '', "checked" TEXT NOT NULL DEFAULT 'none', "growths" INTEGER NOT NULL DEFAULT 0, "moved_to" TEXT NOT NULL DEFAULT '', "claimed" INTEGER NOT NULL DEFAULT 0, "round" INTEGER NOT NULL DEFAULT 1, "needed" INTEGER NOT NULL DEFAULT 0, "approvals" INTEGER NOT NULL DEFAULT 0, "approvers" TEXT NOT NULL DEFAULT '', "asked" TEXT NOT NULL DEFAULT '', "asked_at" TEXT, "held_after" INTEGER, "day_after" INTEGER, "rejected" INTEGER NOT NULL DEFAULT 0) STRICT;

CREATE UNIQUE INDEX "idx_orders_origin"
    ON "orders" ("origin");

CREATE INDEX "idx_orders_state"
    ON "orders" ("state");

CREATE UNIQUE INDEX one_order_per_number ON orders (day, order_no, code, side) WHERE order_no != '';

CREATE INDEX orders_of_day ON orders (day) WHERE attempt > 0;

CREATE TABLE "outbox" (
   "id" INTEGER PRIMARY KEY,
   "chat_id" INTEGER NOT NULL,
   "kind" TEXT NOT NULL,
   "data" TEXT NOT NULL,
   "order_id" INTEGER,
   "key" TEXT,
   "urgency" INTEGER NOT NULL,
   "state" TEXT NOT NULL,
   "tries" INTEGER NOT NULL,
   "message_id" INTEGER,
   "made_at" TEXT NOT NULL,
   "done_at" TEXT,
   "error" TEXT
, doubts INTEGER NOT NULL DEFAULT 0, repeats INTEGER NOT NULL DEFAULT 1, last_at TEXT, not_before TEXT) STRICT;

CREATE UNIQUE INDEX "idx_outbox_key"
    ON "outbox" ("key");

CREATE INDEX "idx_outbox_order_id"
    ON "outbox" ("order_id");

CREATE INDEX outbox_chat ON outbox (chat_id, id) WHERE state = 'pending';

CREATE INDEX outbox_given_up ON outbox (chat_id, id) WHERE state = 'given_up';

CREATE INDEX outbox_open ON outbox (id) WHERE state IN ('pending', 'sending');

CREATE INDEX outbox_trouble ON outbox (chat_id, done_at) WHERE kind = 'trouble';

CREATE TABLE "people" (
   "user_id" INTEGER PRIMARY KEY,
   "name" TEXT NOT NULL,
   "role" TEXT NOT NULL,
   "added_at" TEXT NOT NULL,
   "added_by" INTEGER
, status TEXT NOT NULL DEFAULT 'active', version INTEGER NOT NULL DEFAULT 1, changed_at TEXT, seen_at TEXT) STRICT;

CREATE TABLE "people_buttons" (
   "id" INTEGER PRIMARY KEY,
   "digest" TEXT NOT NULL,
   "act" TEXT NOT NULL,
   "subject" INTEGER NOT NULL,
   "version" INTEGER NOT NULL,
   "request" INTEGER,
   "user_id" INTEGER NOT NULL,
   "expires_at" TEXT NOT NULL,
   "used_at" TEXT
) STRICT;

CREATE UNIQUE INDEX "idx_people_buttons_digest"
    ON "people_buttons" ("digest");

CREATE TABLE "preferences" (
   "user_id" INTEGER PRIMARY KEY,
   "lang" TEXT,
   "rings" TEXT NOT NULL,
   "quiet" TEXT,
   "roundup" INTEGER NOT NULL,
   "changed_at" TEXT NOT NULL
) STRICT;

CREATE TABLE "runs" (
   "id" INTEGER PRIMARY KEY,
   "started_at" TEXT NOT NULL,
   "stopped_at" TEXT,
   "version" TEXT NOT NULL
) STRICT;

CREATE TABLE "second_factors" (
   "user_id" INTEGER PRIMARY KEY,
   "kind" TEXT NOT NULL,
   "sealed" TEXT NOT NULL,
   "made_at" TEXT NOT NULL,
   "made_by" INTEGER
) STRICT;

CREATE TABLE "sight" (
   "id" INTEGER PRIMARY KEY,
   "at" TEXT NOT NULL,
   "letters" INTEGER NOT NULL,
   "open" TEXT NOT NULL,
   "unread" INTEGER NOT NULL
) STRICT;

CREATE TABLE "stepup_codes" (
   "user_id" INTEGER,
   "step" INTEGER,
   PRIMARY KEY ("user_id", "step")
) STRICT;

CREATE TABLE "stepup_people" (
   "user_id" INTEGER PRIMARY KEY,
   "wrong" INTEGER NOT NULL,
   "rounds" INTEGER NOT NULL,
   "locked_until" TEXT,
   "barred" INTEGER NOT NULL,
   "active_at" TEXT
) STRICT;

CREATE TABLE "stopped_chats" (
   "chat_id" INTEGER PRIMARY KEY,
   "since" TEXT NOT NULL,
   "retry_at" TEXT NOT NULL,
   "why" TEXT NOT NULL
) STRICT;

CREATE TABLE "votes" (
   "order_id" INTEGER REFERENCES "orders"("id"),
   "round" INTEGER,
   "user_id" INTEGER,
   "name" TEXT NOT NULL,
   "approve" INTEGER NOT NULL,
   "at" TEXT NOT NULL,
   PRIMARY KEY ("order_id", "round", "user_id")
) STRICT;

CREATE TABLE "watch_list" (
   "id" INTEGER PRIMARY KEY,
   "user_id" INTEGER NOT NULL,
   "code" TEXT NOT NULL,
   "name" TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX "idx_watch_list_user_id_code"
    ON "watch_list" ("user_id", "code");

CREATE TABLE "watch_messages" (
   "user_id" INTEGER PRIMARY KEY,
   "letter" TEXT,
   "message_id" INTEGER,
   "live_until" TEXT,
   "editing" INTEGER NOT NULL
) STRICT;

CREATE VIEW audit_readable AS SELECT seq, datetime(at, '+9 hours') AS at_kst, coalesce(nullif(name, ''), user_id, '') AS person, user_id, action, order_id, detail FROM audit;

CREATE VIEW orders_readable AS SELECT id AS order_id, datetime(created_at, '+9 hours') AS created_kst, coalesce(nullif(user_name, ''), user_id) AS person, user_id, side, code, name AS stock, quantity, kind, price AS limit_price, state, filled, CASE WHEN filled > 0 THEN round(1.0 * filled_amount / filled, 2) END AS average_price, filled_amount, cancelled, day, order_no, code_word AS reason, message AS broker_message, datetime(sent_at, '+9 hours') AS sent_kst, datetime(finished_at, '+9 hours') AS finished_kst FROM orders;
