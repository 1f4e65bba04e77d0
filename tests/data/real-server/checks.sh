# Each service's own check of its configuration, one line each: OK or FAIL, the command.  Run by /bin/sh in a server.
export LC_ALL=C.UTF-8
mkdir -p /run/lock /run/sshd /run/named /run/haproxy /run/php /run/mysqld /run/lighttpd /run/slapd
chown mysql /run/mysqld
check() { if out=$("$@" 2>&1 < /dev/null); then echo "OK $*"; else echo "FAIL $*: $(echo "$out" | tail -3 | tr '\n' ' ')"; fi; }
check apache2ctl configtest
check nginx -t
check lighttpd -tt -f /etc/lighttpd/lighttpd.conf
check haproxy -c -f /etc/haproxy/haproxy.cfg
check varnishd -C -f /etc/varnish/default.vcl
check squid -k parse
check sh -c 'for each in /usr/sbin/php-fpm8*; do $each -t || exit 1; done'
check tinyproxy -h
check privoxy --config-test /etc/privoxy/config
check named-checkconf -z
cp /usr/share/dns/root.key /var/lib/unbound/root.key # as its service does
check unbound-checkconf
check nsd-checkconf /etc/nsd/nsd.conf
check dnsmasq --test
check knotc conf-check
check postfix check
check postmap -q info@example.org hash:/etc/postfix/virtual
check postalias -q root hash:/etc/aliases
check doveconf -n
check opendkim -n
check mariadbd --user=mysql --help --verbose
check slaptest -u
check testparm -s
check exportfs -v -a -r -f
check vsftpd -v
check sshd -t
check visudo -c
check pwck -r -q
check grpck -r
check sh -c 'id -nG alice | grep -qw sudo'
check sudo -l -U alice
check crontab -u alice -l
check logrotate -d /etc/logrotate.conf
check rsyslogd -N1
check fail2ban-client -t
check chronyd -p
check zabbix_agentd -t agent.ping
check monit -t
check keepalived -t
check freeradius -C
check tor --verify-config
check kea-dhcp4 -t /etc/kea/kea-dhcp4.conf
check nft -c -f /etc/nftables.conf
check sh -c 'test -z "$(dpkg --audit)"'
check update-alternatives --get-selections
check pam-auth-update --package
check openssl verify -CApath /etc/ssl/certs /usr/local/share/ca-certificates/shop.crt
check ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key
