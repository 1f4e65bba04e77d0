# Gold 12 after some months in its maintenance system: settings, a package more, a package less, a service of its own.
set -e
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
sed -i 's/^X11Forwarding yes/X11Forwarding no/' /etc/ssh/sshd_config
echo '192.0.2.5 mirror.example.org mirror' >> /etc/hosts
a2enmod -q headers expires
apt-get -qq -y purge ngircd < /dev/null > /dev/null
adduser --quiet --system --group --home /var/lib/inventory inventory
printf '[Service]\nUser=inventory\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n' > /etc/systemd/system/inventory.service
systemctl -q enable inventory
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=Example -keyout /dev/null -days 3650 -out /usr/local/share/ca-certificates/example.crt 2> /dev/null
update-ca-certificates > /dev/null 2>&1
postconf -e 'smtp_tls_security_level = encrypt'
sed -i 's/^upload_max_filesize = .*/upload_max_filesize = 16M/' /etc/php/8.2/fpm/php.ini
echo 'kernel.panic = 10' > /etc/sysctl.d/10-site.conf
sed -i 's/^rotate 4/rotate 8/' /etc/logrotate.conf
chmod 600 /etc/snmp/snmpd.conf
echo 'access_log /var/log/nginx/all.log;' > /etc/nginx/conf.d/log.conf
systemctl -q disable tor
update-alternatives --quiet --set pager /bin/more
mkdir -p /tmp/deb/DEBIAN /tmp/deb/etc/corp
printf 'Package: corp-base\nVersion: 1.0\nArchitecture: all\nMaintainer: Corp <root@example.org>\nDescription: corp\n' > /tmp/deb/DEBIAN/control
echo /etc/corp/base.conf > /tmp/deb/DEBIAN/conffiles; echo 'level = 1' > /tmp/deb/etc/corp/base.conf
dpkg-deb -b /tmp/deb /tmp/corp.deb > /dev/null; dpkg -i /tmp/corp.deb > /dev/null 2>&1; rm -r /tmp/deb /tmp/corp.deb
