BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE clones (
	name TEXT NOT NULL, 
	image TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	state TEXT NOT NULL, 
	host TEXT NOT NULL, 
	identity JSON NOT NULL, 
	generation INTEGER NOT NULL, 
	created_at TEXT NOT NULL, 
	CONSTRAINT pk_clones PRIMARY KEY (name), 
	CONSTRAINT ck_clones_kind CHECK (kind IN ('read-only', 'read-write')), 
	CONSTRAINT ck_clones_state CHECK (state IN ('active', 'creating', 'deleting')), 
	CONSTRAINT fk_clones_image_version FOREIGN KEY(image, version) REFERENCES gold_versions (image, number), 
	CONSTRAINT fk_clones_image FOREIGN KEY(image) REFERENCES images (name)
);
INSERT INTO "clones" VALUES('web1','img',1,'read-only','active','','{"hostname": "web1"}',1,'2026-11-26T22:55:44Z');
INSERT INTO "clones" VALUES('imgrwtst','img',1,'read-only','active','','{"hostname": "imgrwtst"}',1,'2026-11-26T22:55:44Z');
INSERT INTO "clones" VALUES('imggold2','img',1,'read-only','active','','{"hostname": "imggold2"}',1,'2026-11-26T22:55:44Z');
INSERT INTO "clones" VALUES('newrwtst','img',1,'read-only','creating','','{"hostname": "newrwtst"}',1,'2026-11-26T22:55:44Z');
INSERT INTO "clones" VALUES('imggold','img',1,'read-only','active','','{"hostname": "imggold"}',1,'2026-11-26T22:55:44Z');
CREATE TABLE conflicts (
	update_id INTEGER NOT NULL, 
	"key" TEXT NOT NULL, 
	path BLOB NOT NULL, 
	axis TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	answers JSON NOT NULL, 
	stands TEXT NOT NULL, 
	detail TEXT NOT NULL, 
	secret BOOLEAN NOT NULL, 
	state TEXT NOT NULL, 
	CONSTRAINT pk_conflicts PRIMARY KEY (update_id, "key"), 
	CONSTRAINT ck_conflicts_state CHECK (state IN ('open', 'decided')), 
	CONSTRAINT fk_conflicts_update_id FOREIGN KEY(update_id) REFERENCES updates (id) ON DELETE CASCADE
);
CREATE TABLE decisions (
	image TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	take TEXT NOT NULL, 
	content BLOB, 
	who TEXT NOT NULL, 
	decided_at TEXT NOT NULL, 
	note TEXT NOT NULL, 
	CONSTRAINT pk_decisions PRIMARY KEY (image, "key"), 
	CONSTRAINT fk_decisions_image FOREIGN KEY(image) REFERENCES images (name)
);
CREATE TABLE events (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	at TEXT NOT NULL, 
	what TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	data JSON NOT NULL
);
INSERT INTO "events" VALUES(1,'2026-11-26T22:55:44Z','image-created','image:img','{"layout": "readonly-root", "slots": 3}');
INSERT INTO "events" VALUES(2,'2026-11-26T22:55:44Z','publish-begun','image:img','{"version": 1, "slot": "IMGGOLD"}');
INSERT INTO "events" VALUES(3,'2026-11-26T22:55:44Z','published','image:img','{"version": 1, "slot": "IMGGOLD", "untested": false}');
INSERT INTO "events" VALUES(4,'2026-11-26T22:55:44Z','image-created','image:new','{"layout": "readonly-root", "slots": 2}');
INSERT INTO "events" VALUES(5,'2026-11-26T22:55:44Z','clone-created','clone:web1','{"image": "img", "version": 1, "kind": "read-only"}');
INSERT INTO "events" VALUES(6,'2026-11-26T22:55:44Z','clone-created','clone:imgrwtst','{"image": "img", "version": 1, "kind": "read-only"}');
INSERT INTO "events" VALUES(7,'2026-11-26T22:55:44Z','clone-created','clone:imggold2','{"image": "img", "version": 1, "kind": "read-only"}');
INSERT INTO "events" VALUES(8,'2026-11-26T22:55:44Z','clone-created','clone:newrwtst','{"image": "img", "version": 1, "kind": "read-only"}');
INSERT INTO "events" VALUES(9,'2026-11-26T22:55:44Z','clone-created','clone:imggold','{"image": "img", "version": 1, "kind": "read-only"}');
INSERT INTO "events" VALUES(10,'2026-11-26T22:55:44Z','update-begun','clone:web1','{"update": 1, "from_version": 1, "to_version": 1}');
CREATE TABLE fallbacks (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	clone TEXT NOT NULL, 
	update_id INTEGER NOT NULL, 
	image TEXT NOT NULL, 
	from_version INTEGER NOT NULL, 
	disks JSON NOT NULL, 
	kept_until TEXT NOT NULL, 
	state TEXT NOT NULL, 
	created_at TEXT NOT NULL, 
	CONSTRAINT ck_fallbacks_state CHECK (state IN ('kept', 'used', 'pruned', 'set-aside')), 
	CONSTRAINT fk_fallbacks_clone FOREIGN KEY(clone) REFERENCES clones (name) ON DELETE CASCADE, 
	CONSTRAINT fk_fallbacks_image_from_version FOREIGN KEY(image, from_version) REFERENCES gold_versions (image, number), 
	CONSTRAINT fk_fallbacks_image FOREIGN KEY(image) REFERENCES images (name), 
	CONSTRAINT fk_fallbacks_update_id FOREIGN KEY(update_id) REFERENCES updates (id) ON DELETE CASCADE, 
	CONSTRAINT uq_fallbacks_update_id UNIQUE (update_id)
);
CREATE TABLE fences (
	clone TEXT NOT NULL, 
	generation INTEGER NOT NULL, 
	CONSTRAINT pk_fences PRIMARY KEY (clone)
);
INSERT INTO "fences" VALUES('web1',1);
INSERT INTO "fences" VALUES('imgrwtst',1);
INSERT INTO "fences" VALUES('imggold2',1);
INSERT INTO "fences" VALUES('newrwtst',1);
INSERT INTO "fences" VALUES('imggold',1);
CREATE TABLE gold_versions (
	image TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	state TEXT NOT NULL, 
	digests JSON NOT NULL, 
	fingerprint TEXT NOT NULL, 
	untested BOOLEAN NOT NULL, 
	started_at TEXT NOT NULL, 
	published_at TEXT, 
	note TEXT NOT NULL, 
	signature JSON NOT NULL, 
	CONSTRAINT pk_gold_versions PRIMARY KEY (image, number), 
	CONSTRAINT ck_gold_versions_published_at CHECK (state <> 'published' OR published_at IS NOT NULL), 
	CONSTRAINT ck_gold_versions_state CHECK (state IN ('publishing', 'published', 'retired')), 
	CONSTRAINT ck_gold_versions_number CHECK (number > 0), 
	CONSTRAINT fk_gold_versions_image FOREIGN KEY(image) REFERENCES images (name)
);
INSERT INTO "gold_versions" VALUES('img',1,'published','{"1B1": "aa"}','',0,'2026-11-26T22:55:44Z','2026-11-26T22:55:44Z','','{"ssh": "x"}');
CREATE TABLE images (
	name TEXT NOT NULL, 
	layout TEXT NOT NULL, 
	os JSON NOT NULL, 
	created_at TEXT NOT NULL, 
	CONSTRAINT pk_images PRIMARY KEY (name)
);
INSERT INTO "images" VALUES('img','readonly-root','{"pretty_name": "Old"}','2026-11-26T22:55:43Z');
INSERT INTO "images" VALUES('new','readonly-root','{}','2026-11-26T22:55:44Z');
CREATE TABLE maintenance (
	image TEXT NOT NULL, 
	role TEXT NOT NULL, 
	changes INTEGER NOT NULL, 
	fingerprint TEXT NOT NULL, 
	changed_at TEXT NOT NULL, 
	CONSTRAINT pk_maintenance PRIMARY KEY (image, role), 
	CONSTRAINT ck_maintenance_role CHECK (role IN ('maintenance', 'test')), 
	CONSTRAINT fk_maintenance_image FOREIGN KEY(image) REFERENCES images (name)
);
INSERT INTO "maintenance" VALUES('img','maintenance',1,'','2026-11-26T22:55:44Z');
INSERT INTO "maintenance" VALUES('img','test',1,'','2026-11-26T22:55:44Z');
INSERT INTO "maintenance" VALUES('new','maintenance',1,'','2026-11-26T22:55:44Z');
CREATE TABLE slots (
	image TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	version INTEGER, 
	CONSTRAINT pk_slots PRIMARY KEY (image, number), 
	CONSTRAINT ck_slots_number CHECK (number > 0), 
	CONSTRAINT fk_slots_image_version FOREIGN KEY(image, version) REFERENCES gold_versions (image, number), 
	CONSTRAINT fk_slots_image FOREIGN KEY(image) REFERENCES images (name), 
	CONSTRAINT uq_slots_image_version UNIQUE (image, version), 
	CONSTRAINT uq_slots_name UNIQUE (name)
);
INSERT INTO "slots" VALUES('img',1,'IMGGOLD',1);
INSERT INTO "slots" VALUES('img',2,'IMGGOLD2',NULL);
INSERT INTO "slots" VALUES('img',3,'IMGGOLD3',NULL);
INSERT INTO "slots" VALUES('new',1,'NEWGOLD',NULL);
INSERT INTO "slots" VALUES('new',2,'NEWGOLD2',NULL);
CREATE TABLE tests (
	id INTEGER NOT NULL, 
	image TEXT NOT NULL, 
	form TEXT NOT NULL, 
	fingerprint TEXT NOT NULL, 
	passed BOOLEAN NOT NULL, 
	log TEXT NOT NULL, 
	tested_at TEXT NOT NULL, 
	CONSTRAINT pk_tests PRIMARY KEY (id), 
	CONSTRAINT ck_tests_form CHECK (form IN ('read-write', 'read-only')), 
	CONSTRAINT fk_tests_image FOREIGN KEY(image) REFERENCES images (name)
);
CREATE TABLE updates (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	clone TEXT NOT NULL, 
	image TEXT NOT NULL, 
	from_version INTEGER NOT NULL, 
	to_version INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	state TEXT NOT NULL, 
	record TEXT NOT NULL, 
	error TEXT NOT NULL, 
	created_at TEXT NOT NULL, 
	changed_at TEXT NOT NULL, 
	CONSTRAINT ck_updates_kind CHECK (kind IN ('update', 'rollback')), 
	CONSTRAINT ck_updates_state CHECK (state IN ('planned', 'preparing', 'merged', 'needs-review', 'checked', 'switching', 'done', 'failed', 'cancelled')), 
	CONSTRAINT fk_updates_clone FOREIGN KEY(clone) REFERENCES clones (name) ON DELETE CASCADE, 
	CONSTRAINT fk_updates_image_from_version FOREIGN KEY(image, from_version) REFERENCES gold_versions (image, number), 
	CONSTRAINT fk_updates_image_to_version FOREIGN KEY(image, to_version) REFERENCES gold_versions (image, number), 
	CONSTRAINT fk_updates_image FOREIGN KEY(image) REFERENCES images (name)
);
INSERT INTO "updates" VALUES(1,'web1','img',1,1,'update','planned','','','2026-11-26T22:55:44Z','2026-11-26T22:55:44Z');
CREATE INDEX ix_events_subject ON events (subject);
CREATE INDEX ix_tests_image_fingerprint ON tests (image, fingerprint);
CREATE INDEX ix_clones_image_version ON clones (image, version);
CREATE UNIQUE INDEX uq_updates_clone_in_flight ON updates (clone) WHERE state NOT IN ('done', 'failed', 'cancelled');
CREATE INDEX ix_conflicts_key ON conflicts ("key");
CREATE INDEX ix_fallbacks_image_from_version ON fallbacks (image, from_version);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('events',10);
INSERT INTO "sqlite_sequence" VALUES('updates',1);
COMMIT;
