-- A database for each sample in docker-compose.yml, with a role that cannot reach the others'. THROW-AWAY passwords.
CREATE ROLE "order" LOGIN PASSWORD 'order';
CREATE DATABASE "order" OWNER "order";
REVOKE CONNECT ON DATABASE "order" FROM PUBLIC;

CREATE ROLE account LOGIN PASSWORD 'account';
CREATE DATABASE account OWNER account;
REVOKE CONNECT ON DATABASE account FROM PUBLIC;

CREATE ROLE inventory LOGIN PASSWORD 'inventory';
CREATE DATABASE inventory OWNER inventory;
REVOKE CONNECT ON DATABASE inventory FROM PUBLIC;

CREATE ROLE points LOGIN PASSWORD 'points';
CREATE DATABASE points OWNER points;
REVOKE CONNECT ON DATABASE points FROM PUBLIC;

REVOKE CONNECT ON DATABASE tercet FROM PUBLIC;
