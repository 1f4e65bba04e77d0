# A year of administration of a Debian 12 server, by the tools that administrators use.  Run by /bin/sh inside it.
set -e
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
put() { mkdir -p "$(dirname "$1")"; cat > "$1"; }

# The server itself
echo web1 > /etc/hostname
echo '192.0.2.10 web1.example.org web1' >> /etc/hosts
ln -sf /usr/share/zoneinfo/Europe/Berlin /etc/localtime
echo 'LABEL=data /srv/data ext4 defaults,nofail 0 2' >> /etc/fstab
echo 'vm.swappiness = 10' > /etc/sysctl.d/90-shop.conf
rm /etc/ssh/ssh_host_*; ssh-keygen -q -A
ssh-keygen -q -t ed25519 -N '' -C root@web1 -f /root/.ssh/id_ed25519
sed -i 's/^#PermitRootLogin.*/PermitRootLogin no/' /etc/ssh/sshd_config
echo 'PasswordAuthentication no' > /etc/ssh/sshd_config.d/10-shop.conf

# People and services
adduser --quiet --disabled-password --gecos Alice alice 2>&1
echo 'alice:secret-of-alice' | chpasswd
for group in sudo adm; do adduser --quiet alice $group; done
adduser --quiet --disabled-password --gecos 'Bob' bob; chage -M 90 bob
adduser --quiet --system --group --home /var/lib/shop shop
useradd -r -m -d /srv/metrics -s /usr/sbin/nologin metrics
addgroup --quiet --gid 1500 web; adduser --quiet www-data web; adduser --quiet alice web
install -d -m 700 -o alice -g alice /home/alice/.ssh
cp /root/.ssh/id_ed25519.pub /home/alice/.ssh/authorized_keys; chown alice:alice /home/alice/.ssh/authorized_keys
echo '%web ALL=(root) /usr/sbin/service nginx reload' > /etc/sudoers.d/web; chmod 440 /etc/sudoers.d/web
echo '@daily true' | crontab -u alice -
pam-auth-update --package --enable mkhomedir
sed -i 's/^# minlen = 8/minlen = 12/' /etc/security/pwquality.conf
chsh -s /bin/bash backup

# Three web servers, and what stands before them
sed -i 's/^Listen 80$/Listen 8080/' /etc/apache2/ports.conf
a2dismod -q php8.2 mpm_prefork; a2enmod -q mpm_event rewrite headers proxy_fcgi setenvif ssl
a2enconf -q php8.2-fpm; a2dissite -q 000-default
put /etc/apache2/sites-available/shop.conf <<'CONF'
<VirtualHost *:8080>
  DocumentRoot /var/www/shop
  Header set X-Shop apache
  RewriteEngine on
  RewriteRule ^/old$ /index.html
</VirtualHost>
CONF
a2ensite -q shop
install -d -o www-data -g web /var/www/shop
echo '<h1>Shop</h1>' > /var/www/shop/index.html; echo '<?php echo 6*7, "\n";' > /var/www/shop/answer.php
chown -R www-data:web /var/www/shop
put /etc/nginx/sites-available/shop <<'CONF'
server {
  listen 80;
  root /var/www/shop;
  add_header X-Shop nginx;
  location ~ \.php$ { include snippets/fastcgi-php.conf; fastcgi_pass unix:/run/php/php-fpm.sock; }
}
CONF
ln -s /etc/nginx/sites-available/shop /etc/nginx/sites-enabled/shop; rm /etc/nginx/sites-enabled/default
sed -i 's/^memory_limit = .*/memory_limit = 256M/' /etc/php/8.2/fpm/php.ini
sed -i 's/^pm.max_children = .*/pm.max_children = 12/' /etc/php/8.2/fpm/pool.d/www.conf
phpdismod -v 8.2 -s fpm ftp
sed -i 's/^server.port .*/server.port = 8081/' /etc/lighttpd/lighttpd.conf
lighttpd-enable-mod accesslog > /dev/null
echo lighttpd > /var/www/html/who.txt
cat >> /etc/haproxy/haproxy.cfg <<'CONF'

frontend shop
	bind *:8090
	default_backend web
backend web
	server apache 127.0.0.1:8080
CONF
sed -i 's/\.port = "8080"/.port = "8081"/' /etc/varnish/default.vcl
sed -i 's/^#Allow 192.168.0.0.*/Allow 192.0.2.0\/24/' /etc/tinyproxy/tinyproxy.conf
echo 'acl lab src 192.0.2.0/24' > /etc/squid/conf.d/lab.conf

# Four name servers
cat >> /etc/bind/named.conf.local <<'CONF'
zone "example.org" { type master; file "/etc/bind/db.example.org"; };
CONF
put /etc/bind/db.example.org <<'CONF'
$TTL 3600
@ IN SOA ns admin 1 3600 900 604800 3600
@ IN NS ns
ns IN A 192.0.2.10
CONF
printf 'server:\n  port: 5353\n' > /etc/unbound/unbound.conf.d/port.conf
printf 'server:\n  port: 5354\n' > /etc/nsd/nsd.conf.d/port.conf
printf 'port=5355\n' > /etc/dnsmasq.d/port.conf
sed -i 's/@53$/@5356/' /etc/knot/knot.conf

# Mail
postconf -e 'relayhost = [relay.example.org]' 'virtual_alias_maps = hash:/etc/postfix/virtual' 'myhostname = web1.example.org'
echo 'info@example.org alice' > /etc/postfix/virtual; postmap /etc/postfix/virtual
echo 'root: alice' >> /etc/aliases; newaliases
mkdir -p /etc/dkimkeys; openssl genrsa -out /etc/dkimkeys/mail.private 2> /dev/null; chown -R opendkim:opendkim /etc/dkimkeys
sed -i 's/^#Domain.*/Domain example.org/; s/^#Selector.*/Selector mail/; s/^#KeyFile.*/KeyFile \/etc\/dkimkeys\/mail.private/' /etc/opendkim.conf
sed -i 's/^mail_location = .*/mail_location = maildir:~\/Maildir/' /etc/dovecot/conf.d/10-mail.conf
sed -i 's/^#login_greeting.*/login_greeting = shop/' /etc/dovecot/dovecot.conf
install -m 660 -o alice -g mail /dev/null /var/mail/alice

# Databases and stores
install -d -o mysql /run/mysqld
printf 'CREATE DATABASE shop;\nUSE shop;\nCREATE TABLE t (i INT);\nINSERT INTO t VALUES (42);\n' |
  mariadbd --user=mysql --bootstrap --skip-log-error
sed -i 's/^bind-address .*/bind-address = 127.0.0.2/' /etc/mysql/mariadb.conf.d/50-server.cnf
printf '[mysqld]\nmax_connections = 50\n' > /etc/mysql/mariadb.conf.d/99-shop.cnf
pg_ctlcluster 15 main start; su postgres -c 'createdb shop'; pg_ctlcluster 15 main stop
sed -i 's/^max_connections = .*/max_connections = 50/' /etc/postgresql/15/main/postgresql.conf
sed -i 's/^# maxmemory <bytes>/maxmemory 64mb/' /etc/redis/redis.conf
sed -i 's/^-m .*/-m 32/' /etc/memcached.conf
printf '[share]\n  path = /srv/share\n  read only = no\n' >> /etc/samba/smb.conf
install -d -m 2775 -g web /srv/share; setfacl -m u:mysql:rwx /srv/share
echo '/srv/share 192.0.2.0/24(ro,no_subtree_check)' >> /etc/exports
sed -i 's/^#write_enable=YES/write_enable=YES/' /etc/vsftpd.conf
printf '[data]\n path = /srv/share\n' > /etc/rsyncd.conf; systemctl -q enable rsync

# Watching
sed -i 's/^pool .*/server ntp.example.org iburst/' /etc/chrony/chrony.conf
sed -i 's/^sysLocation.*/sysLocation Berlin/' /etc/snmp/snmpd.conf
ln -s /usr/share/munin/plugins/apache_accesses /etc/munin/plugins/apache_accesses; rm -f /etc/munin/plugins/if_err_*
printf '[sshd]\nenabled = true\nbackend = polling\nlogpath = /var/log/dpkg.log\n' > /etc/fail2ban/jail.local
sed -i 's/^Server=127.0.0.1/Server=192.0.2.20/' /etc/zabbix/zabbix_agentd.conf
echo '*.* @@log.example.org' > /etc/rsyslog.d/10-remote.conf
printf 'check system web1\n' > /etc/monit/conf-available/web1; ln -s ../conf-available/web1 /etc/monit/conf-enabled/web1
sed -i 's/^ENABLED="false"/ENABLED="true"/' /etc/default/sysstat
echo '0 3 * * * root /usr/local/bin/backup' >> /etc/crontab
printf '#!/bin/sh\nexit 0\n' > /usr/local/bin/backup; chmod 755 /usr/local/bin/backup

# Units
systemctl -q disable nmbd auditd e2scrub_reap slapd samba-ad-dc unattended-upgrades varnishncsa keepalived
systemctl -q mask rpc-statd.service
put /etc/systemd/system/shop.service <<'CONF'
[Service]
User=shop
ExecStart=/usr/local/bin/shop
[Install]
WantedBy=multi-user.target
CONF
printf '#!/bin/sh\nexec sleep infinity\n' > /usr/local/bin/shop; chmod 755 /usr/local/bin/shop; systemctl -q enable shop
put /etc/systemd/system/nginx.service.d/override.conf <<'CONF'
[Service]
LimitNOFILE=65536
CONF
systemctl -q set-default multi-user.target

# What the package tools are told
update-alternatives --quiet --set editor /usr/bin/vim.tiny
dpkg-statoverride --update --add root web 4750 /usr/bin/at
dpkg-divert --quiet --local --rename --add /etc/logrotate.d/apt
put /usr/local/share/ca-certificates/shop.crt < /etc/ssl/certs/ssl-cert-snakeoil.pem
update-ca-certificates > /dev/null 2>&1
mkdir -p /tmp/deb/DEBIAN /tmp/deb/etc/shop /tmp/deb/opt/shop /tmp/deb/usr/bin
printf 'Package: shop-agent\nVersion: 1.0\nArchitecture: all\nMaintainer: Shop <root@example.org>\nDescription: local\n' > /tmp/deb/DEBIAN/control
echo /etc/shop/agent.conf > /tmp/deb/DEBIAN/conffiles; echo 'interval = 5' > /tmp/deb/etc/shop/agent.conf
printf '#!/bin/sh\necho agent\n' > /tmp/deb/usr/bin/shop-agent; chmod 755 /tmp/deb/usr/bin/shop-agent
dpkg-deb -b /tmp/deb /tmp/agent.deb > /dev/null; dpkg -i /tmp/agent.deb > /dev/null 2>&1; rm -r /tmp/deb /tmp/agent.deb
sed -i 's/5/10/' /etc/shop/agent.conf
logrotate -f /etc/logrotate.conf > /dev/null 2>&1 || true
