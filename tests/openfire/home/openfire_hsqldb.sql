-- The tables that Openfire 4.2.0 (schema version 26) works with, written for throw-away test servers.
-- Table and column names are Openfire's, because its statements use them; types, sizes, keys and order are ours:
-- a JID fits wherever a JID may stand, no value is cut, and whatever Openfire leaves out may be NULL.
-- Openfire runs this file itself when it finds an empty database. One statement ends at each ";" at a line's end.

-- Every commit reaches the file at once: a test that kills the server must not count what HSQLDB still had in memory.
SET FILES WRITE DELAY FALSE;
SET FILES LOG SIZE 50;

-- What the server knows about itself ---------------------------------------------------------------------------------

CREATE TABLE ofVersion (
  name VARCHAR(128) PRIMARY KEY,
  version INTEGER NOT NULL
);

CREATE TABLE ofProperty (
  name VARCHAR(256) PRIMARY KEY,
  encrypted INTEGER,
  propValue VARCHAR(65535) NOT NULL
);

CREATE TABLE ofID (
  idType INTEGER PRIMARY KEY,
  id BIGINT NOT NULL
);

CREATE TABLE ofSecurityAuditLog (
  msgID BIGINT PRIMARY KEY,
  entryStamp BIGINT NOT NULL,
  username VARCHAR(1023) NOT NULL,
  node VARCHAR(1023) NOT NULL,
  summary VARCHAR(4095) NOT NULL,
  details LONGVARCHAR
);
CREATE INDEX auditByTime ON ofSecurityAuditLog (entryStamp);

-- Who may connect as what --------------------------------------------------------------------------------------------

CREATE TABLE ofRemoteServerConf (
  xmppDomain VARCHAR(1023) PRIMARY KEY,
  permission VARCHAR(32) NOT NULL,
  remotePort INTEGER
);

CREATE TABLE ofExtComponentConf (
  subdomain VARCHAR(1023) PRIMARY KEY,
  permission VARCHAR(32) NOT NULL,
  wildcard INTEGER NOT NULL,
  secret VARCHAR(1023)
);

CREATE TABLE ofSASLAuthorized (
  principal VARCHAR(4000) NOT NULL,
  username VARCHAR(1023) NOT NULL,
  PRIMARY KEY (username, principal)
);

-- People -------------------------------------------------------------------------------------------------------------

CREATE TABLE ofUser (
  username VARCHAR(1023) PRIMARY KEY,
  name VARCHAR(1023),
  email VARCHAR(1023),
  creationDate VARCHAR(20) NOT NULL,
  modificationDate VARCHAR(20) NOT NULL,
  iterations INTEGER,
  salt VARCHAR(255),
  storedKey VARCHAR(255),
  serverKey VARCHAR(255),
  encryptedPassword VARCHAR(4095),
  plainPassword VARCHAR(1023)
);

CREATE TABLE ofUserProp (
  username VARCHAR(1023) NOT NULL,
  name VARCHAR(255) NOT NULL,
  propValue VARCHAR(65535) NOT NULL,
  PRIMARY KEY (username, name)
);

CREATE TABLE ofUserFlag (
  username VARCHAR(1023) NOT NULL,
  name VARCHAR(255) NOT NULL,
  startTime VARCHAR(20),
  endTime VARCHAR(20),
  PRIMARY KEY (username, name)
);

CREATE TABLE ofVCard (
  username VARCHAR(1023) PRIMARY KEY,
  vcard LONGVARCHAR NOT NULL
);

CREATE TABLE ofPresence (
  username VARCHAR(1023) PRIMARY KEY,
  offlineDate VARCHAR(20) NOT NULL,
  offlinePresence LONGVARCHAR
);

CREATE TABLE ofPrivate (
  username VARCHAR(1023) NOT NULL,
  namespace VARCHAR(1023) NOT NULL,
  name VARCHAR(255) NOT NULL,
  privateData LONGVARCHAR NOT NULL,
  PRIMARY KEY (username, namespace, name)
);

CREATE TABLE ofPrivacyList (
  username VARCHAR(1023) NOT NULL,
  name VARCHAR(255) NOT NULL,
  isDefault INTEGER NOT NULL,
  list LONGVARCHAR NOT NULL,
  PRIMARY KEY (username, name)
);

CREATE TABLE ofOffline (
  messageID BIGINT NOT NULL,
  username VARCHAR(1023) NOT NULL,
  messageSize INTEGER NOT NULL,
  creationDate VARCHAR(20) NOT NULL,
  stanza LONGVARCHAR NOT NULL,
  PRIMARY KEY (username, messageID)
);

-- Contacts and groups ------------------------------------------------------------------------------------------------

CREATE TABLE ofRoster (
  rosterID BIGINT PRIMARY KEY,
  username VARCHAR(1023) NOT NULL,
  jid VARCHAR(3071) NOT NULL,
  nick VARCHAR(1023),
  sub INTEGER NOT NULL,
  ask INTEGER NOT NULL,
  recv INTEGER NOT NULL
);
CREATE INDEX rosterByOwner ON ofRoster (username);
CREATE INDEX rosterByContact ON ofRoster (jid);

CREATE TABLE ofRosterGroups (
  rosterID BIGINT NOT NULL,
  rank INTEGER NOT NULL,
  groupName VARCHAR(1023) NOT NULL,
  PRIMARY KEY (rosterID, rank)
);

CREATE TABLE ofGroup (
  groupName VARCHAR(255) PRIMARY KEY,
  description VARCHAR(4095)
);

CREATE TABLE ofGroupUser (
  groupName VARCHAR(255) NOT NULL,
  username VARCHAR(3071) NOT NULL,
  administrator INTEGER NOT NULL,
  PRIMARY KEY (groupName, username, administrator)
);
CREATE INDEX groupsOfUser ON ofGroupUser (username);

CREATE TABLE ofGroupProp (
  groupName VARCHAR(255) NOT NULL,
  name VARCHAR(255) NOT NULL,
  propValue VARCHAR(65535) NOT NULL,
  PRIMARY KEY (groupName, name)
);

-- Rooms --------------------------------------------------------------------------------------------------------------

CREATE TABLE ofMucService (
  serviceID BIGINT NOT NULL,
  subdomain VARCHAR(255) PRIMARY KEY,
  isHidden INTEGER NOT NULL,
  description VARCHAR(4095)
);

CREATE TABLE ofMucServiceProp (
  serviceID BIGINT NOT NULL,
  name VARCHAR(255) NOT NULL,
  propValue VARCHAR(65535) NOT NULL,
  PRIMARY KEY (serviceID, name)
);

CREATE TABLE ofMucRoom (
  serviceID BIGINT NOT NULL,
  roomID BIGINT NOT NULL,
  name VARCHAR(1023) NOT NULL,
  naturalName VARCHAR(4095) NOT NULL,
  description VARCHAR(4095),
  subject VARCHAR(4095),
  creationDate VARCHAR(20) NOT NULL,
  modificationDate VARCHAR(20) NOT NULL,
  lockedDate VARCHAR(20) NOT NULL,
  emptyDate VARCHAR(20),
  roomPassword VARCHAR(1023),
  maxUsers INTEGER NOT NULL,
  publicRoom INTEGER NOT NULL,
  moderated INTEGER NOT NULL,
  membersOnly INTEGER NOT NULL,
  canInvite INTEGER NOT NULL,
  canChangeSubject INTEGER NOT NULL,
  canDiscoverJID INTEGER NOT NULL,
  canChangeNick INTEGER NOT NULL,
  canRegister INTEGER NOT NULL,
  useReservedNick INTEGER NOT NULL,
  rolesToBroadcast INTEGER NOT NULL,
  logEnabled INTEGER NOT NULL,
  allowpm INTEGER,
  PRIMARY KEY (serviceID, name)
);
CREATE INDEX roomById ON ofMucRoom (roomID);

CREATE TABLE ofMucRoomProp (
  roomID BIGINT NOT NULL,
  name VARCHAR(255) NOT NULL,
  propValue VARCHAR(65535) NOT NULL,
  PRIMARY KEY (roomID, name)
);

CREATE TABLE ofMucAffiliation (
  roomID BIGINT NOT NULL,
  jid VARCHAR(3071) NOT NULL,
  affiliation INTEGER NOT NULL,
  PRIMARY KEY (roomID, jid)
);

CREATE TABLE ofMucMember (
  roomID BIGINT NOT NULL,
  jid VARCHAR(3071) NOT NULL,
  nickname VARCHAR(1023),
  firstName VARCHAR(1023),
  lastName VARCHAR(1023),
  email VARCHAR(1023),
  url VARCHAR(4095),
  faqentry VARCHAR(4095),
  PRIMARY KEY (roomID, jid)
);

CREATE TABLE ofMucConversationLog (
  messageID BIGINT NOT NULL,
  roomID BIGINT NOT NULL,
  logTime VARCHAR(20) NOT NULL,
  sender VARCHAR(3071) NOT NULL,
  nickname VARCHAR(1023),
  subject VARCHAR(4095),
  body LONGVARCHAR,
  stanza LONGVARCHAR
);
CREATE INDEX roomLogByTime ON ofMucConversationLog (roomID, logTime);
CREATE INDEX roomLogById ON ofMucConversationLog (messageID);

-- Publish and subscribe ----------------------------------------------------------------------------------------------

CREATE TABLE ofPubsubNode (
  serviceID VARCHAR(1023) NOT NULL,
  nodeID VARCHAR(1023) NOT NULL,
  parent VARCHAR(1023),
  leaf INTEGER NOT NULL,
  name VARCHAR(1023),
  description VARCHAR(4095),
  language VARCHAR(255),
  creator VARCHAR(3071) NOT NULL,
  creationDate VARCHAR(20) NOT NULL,
  modificationDate VARCHAR(20) NOT NULL,
  accessModel VARCHAR(32) NOT NULL,
  publisherModel VARCHAR(32) NOT NULL,
  associationPolicy VARCHAR(32),
  replyPolicy VARCHAR(32),
  maxLeafNodes INTEGER,
  persistItems INTEGER,
  maxItems INTEGER,
  maxPayloadSize INTEGER,
  payloadType VARCHAR(1023),
  bodyXSLT VARCHAR(1023),
  dataformXSLT VARCHAR(1023),
  deliverPayloads INTEGER NOT NULL,
  notifyConfigChanges INTEGER NOT NULL,
  notifyDelete INTEGER NOT NULL,
  notifyRetract INTEGER NOT NULL,
  presenceBased INTEGER NOT NULL,
  sendItemSubscribe INTEGER NOT NULL,
  subscriptionEnabled INTEGER NOT NULL,
  configSubscription INTEGER NOT NULL,
  PRIMARY KEY (serviceID, nodeID)
);

CREATE TABLE ofPubsubDefaultConf (
  serviceID VARCHAR(1023) NOT NULL,
  leaf INTEGER NOT NULL,
  language VARCHAR(255),
  accessModel VARCHAR(32) NOT NULL,
  publisherModel VARCHAR(32) NOT NULL,
  associationPolicy VARCHAR(32) NOT NULL,
  replyPolicy VARCHAR(32),
  maxLeafNodes INTEGER NOT NULL,
  persistItems INTEGER NOT NULL,
  maxItems INTEGER NOT NULL,
  maxPayloadSize INTEGER NOT NULL,
  deliverPayloads INTEGER NOT NULL,
  notifyConfigChanges INTEGER NOT NULL,
  notifyDelete INTEGER NOT NULL,
  notifyRetract INTEGER NOT NULL,
  presenceBased INTEGER NOT NULL,
  sendItemSubscribe INTEGER NOT NULL,
  subscriptionEnabled INTEGER NOT NULL,
  PRIMARY KEY (serviceID, leaf)
);

CREATE TABLE ofPubsubNodeJIDs (
  serviceID VARCHAR(1023) NOT NULL,
  nodeID VARCHAR(1023) NOT NULL,
  associationType VARCHAR(32) NOT NULL,
  jid VARCHAR(3071) NOT NULL,
  PRIMARY KEY (serviceID, nodeID, jid)
);

CREATE TABLE ofPubsubNodeGroups (
  serviceID VARCHAR(1023) NOT NULL,
  nodeID VARCHAR(1023) NOT NULL,
  rosterGroup VARCHAR(1023) NOT NULL
);
CREATE INDEX rosterGroupsOfNode ON ofPubsubNodeGroups (serviceID, nodeID);

CREATE TABLE ofPubsubAffiliation (
  serviceID VARCHAR(1023) NOT NULL,
  nodeID VARCHAR(1023) NOT NULL,
  affiliation VARCHAR(32) NOT NULL,
  jid VARCHAR(3071) NOT NULL,
  PRIMARY KEY (serviceID, nodeID, jid)
);

CREATE TABLE ofPubsubSubscription (
  serviceID VARCHAR(1023) NOT NULL,
  nodeID VARCHAR(1023) NOT NULL,
  id VARCHAR(1023) NOT NULL,
  owner VARCHAR(3071) NOT NULL,
  jid VARCHAR(3071) NOT NULL,
  state VARCHAR(32) NOT NULL,
  expire VARCHAR(20),
  subscriptionType VARCHAR(32) NOT NULL,
  subscriptionDepth INTEGER NOT NULL,
  keyword VARCHAR(1023),
  showValues VARCHAR(255) NOT NULL,
  includeBody INTEGER NOT NULL,
  deliver INTEGER NOT NULL,
  digest INTEGER NOT NULL,
  digest_frequency INTEGER NOT NULL,
  PRIMARY KEY (serviceID, nodeID, id)
);

CREATE TABLE ofPubsubItem (
  serviceID VARCHAR(1023) NOT NULL,
  nodeID VARCHAR(1023) NOT NULL,
  id VARCHAR(1023) NOT NULL,
  jid VARCHAR(3071) NOT NULL,
  creationDate VARCHAR(20) NOT NULL,
  payload LONGVARCHAR,
  PRIMARY KEY (serviceID, nodeID, id)
);

-- What must be there from the start ----------------------------------------------------------------------------------

-- The counters of roster entries, offline messages, rooms, audit entries and room services; absent ones would cost a warning each.
INSERT INTO ofID (idType, id) VALUES (18, 1), (19, 1), (23, 1), (25, 1), (26, 2);
INSERT INTO ofMucService (serviceID, subdomain, isHidden) VALUES (1, 'conference', 0);
INSERT INTO ofVersion (name, version) VALUES ('openfire', 26);
